"""Exercises, checks and points; notebooks for students; a grader that runs nbval.

    lab = open_lab("01")     the world of a notebook, with its exercises
    task = lab.begin("1.1")  put the world in the state where the exercise starts
    lab.check("1.1")         what must have happened, and did it
    lab.report()             the points so far

    python -m maillab.grading.build             sources -> reference, student's version
    python -m maillab.grading.grade FILE.ipynb  a student's notebook -> points

Rule 1: a check reads the world and the trace, never the text of the notebook.
Rule 2: what a check prints helps the student; what counts is its evidence, which the
        grader compares, outside the student's process, with that of a reference run.
"""

from maillab.grading.exercise import Exercise, Failed, Task
from maillab.grading.lab import Lab, open_lab

__all__ = ["Exercise", "Failed", "Lab", "Task", "open_lab"]
