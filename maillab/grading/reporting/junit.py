"""Results as JUnit's XML, for programs that show tests.

Goes in: a `Course`. Comes out: XML: a suite for each student, a case for each check;
points stand in properties.
"""

import xml.etree.ElementTree as ET

from maillab.grading.reporting.course import Course
from maillab.grading.reporting.grade_books import clip
from maillab.grading.reporting.levels import Feedback, Levels, let_through
from maillab.grading.results import CheckResult, Result
from maillab.trace.lines import clean

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
MOST = 2000  # characters of a message
SKIPPED = {"missing", "not-run"}


def junit_text(course: Course, levels: Levels) -> str:
    """The file."""
    root = ET.Element("testsuites", name="maillab")
    for person in course.people:
        found = course.of_student(person.student)
        _suite(root, clean(person.student), found, levels)
    ET.indent(root)
    return f"{DECLARATION}\n{ET.tostring(root, 'unicode')}\n"


def _suite(root: ET.Element, name: str, found: list[Result], levels: Levels) -> None:
    suite = ET.SubElement(root, "testsuite", name=name)
    _properties(suite, sum(r.points for r in found), sum(r.of for r in found))
    for result in found:
        if result.trouble:
            case = ET.SubElement(suite, "testcase", classname=result.notebook, name="-")
            ET.SubElement(case, "error", message=_text(result.trouble))
        for check in result.checks:
            _case(suite, result.notebook, check, levels[result.notebook])
    kinds = [child.tag for case in suite.iter("testcase") for child in case]
    suite.set("tests", str(len(suite.findall("testcase"))))
    for tag, counter in (("failure", "failures"), ("error", "errors")):
        suite.set(counter, str(kinds.count(tag)))
    suite.set("skipped", str(kinds.count("skipped")))
    suite.set("time", f"{sum(result.seconds for result in found):.3f}")


def _case(
    suite: ET.Element, notebook: str, check: CheckResult, level: Feedback
) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=notebook,
        name=check.id,
        time=f"{check.seconds:.3f}",
    )
    _properties(case, check.points, check.of)
    if check.ending == "pass":
        return
    tag = "failure" if check.ending == "fail" else "error"
    tag = "skipped" if check.ending in SKIPPED else tag
    points = f"{check.ending}: {check.points} of {check.of} points"
    ET.SubElement(case, tag, message=points).text = _text(_reasons(check, level))


def _reasons(check: CheckResult, level: Feedback) -> str:
    rows: list[str] = []
    for part in check.parts:
        if not part.passed:
            told = let_through(part.reasons, level)
            rows += [f"{part.name} {n}: {text}".strip() for n, text in told.items()]
    return "\n".join(rows) or (check.feedback if level == "full" else "")


def _properties(element: ET.Element, points: int, of: int) -> None:
    found = ET.SubElement(element, "properties")
    ET.SubElement(found, "property", name="points", value=str(points))
    ET.SubElement(found, "property", name="points possible", value=str(of))


def _text(text: str) -> str:
    """What XML can hold."""
    return clip("\n".join(map(clean, text.splitlines())), MOST)
