"""One submission, one seed: the student's code in a jail, the verdict outside.

    bundle = make_bundle("01", seed)              the reference, run under a seed
    submission = Submission.read(path, "zoe")     what was handed in
    grade_one(bundle, submission, Limits())       -> Result

Rule: these are data and functions of data; a worker somewhere else can do it.
"""

from maillab.grading.running.bundle import Bundle, Cache, find_reference, make_bundle
from maillab.grading.running.grading import grade_one
from maillab.grading.running.limits import JAILS, Jail, Limits
from maillab.grading.running.submission import Submission

__all__ = [
    "JAILS",
    "Bundle",
    "Cache",
    "Jail",
    "Limits",
    "Submission",
    "find_reference",
    "grade_one",
    "make_bundle",
]
