"""Feedback pages, the overview of a class, grade books.

    write_reports(Path("graded"), Wishes(html=True, csv=True))

Goes in: a folder with results (`maillab.grading.results`), as `maillab grade` leaves
it. Comes out: files in its folder `reports`.

Rule 1: reports read results and nothing else: neither notebooks nor seeds.
Rule 2: no report tells what the right answer would have been.
"""

from maillab.grading.reporting.reports import Wishes, write_reports

__all__ = ["Wishes", "write_reports"]
