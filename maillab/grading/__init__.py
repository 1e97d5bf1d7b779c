"""Exercises, checks and points; notebooks for students; a grader that runs nbval.

    lab = open_lab("01")     the world of a notebook, with its exercises
    task = lab.begin("1.1")  put the world in the state where the exercise starts
    lab.check("1.1")         what must have happened, and did it
    lab.report()             the points so far

    maillab author build   the author's text -> reference, student's version
    maillab grade          what students handed in -> points

Rule 1: a check reads the world and the trace, never the text of the notebook.
Rule 2: what a check prints helps the student; what counts is its evidence, which the
        grader compares, outside the student's process, with that of a reference run.
"""

from maillab.grading.exercise import Exercise, Failed, Part, Task, attempt
from maillab.grading.lab import Lab, open_lab

__all__ = ["Exercise", "Failed", "Lab", "Part", "Task", "attempt", "open_lab"]
