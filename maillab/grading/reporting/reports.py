"""Which reports are written, and where.

Goes in: the folder of `maillab grade`, and what is wished. Comes out: files in its
folder `reports`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Feedback = Literal["full", "brief", "points"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which reports to write.

    html      a page for each student, and the overview of the class
    csv       one row for each student, one column for each exercise
    junit     for programs that show test results
    moodle    a grade book for Moodle
    canvas    a grade book for Canvas
    students  a roster, CSV: student, name, email, id, section (only the first is needed)
    feedback  what students are told: "full"; "brief" without what was found; "points"
    """

    html: bool = False
    csv: bool = False
    junit: bool = False
    moodle: bool = False
    canvas: bool = False
    students: Path | None = None
    feedback: Feedback = "full"


def write_reports(folder: Path, wishes: Wishes) -> list[Path]:
    """Write what is wished into `folder`/reports; the files. Raises LabError."""
    raise NotImplementedError
