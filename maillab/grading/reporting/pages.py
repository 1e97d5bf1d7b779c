"""The pages: feedback for a student, the overview of a class.

Goes in: a `Course`. Comes out: HTML that needs no other file and runs no script.

Rule 1: everything is escaped (autoescape) and cut to a bearable length: students write
        part of it.
Rule 2: a page can be heard: a language, headings in order, captions, scopes, alt texts.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from maillab.grading.batch.results import file_name
from maillab.grading.reporting import plots
from maillab.grading.reporting.course import Course
from maillab.grading.reporting.grade_books import clip
from maillab.grading.reporting.levels import Feedback, Levels, let_through
from maillab.grading.reporting.roster import Person
from maillab.grading.reporting.statistics import ENDED, distribution, solved
from maillab.grading.results import CheckResult, PartResult
from maillab.trace.lines import clean

TEMPLATES = Path(__file__).parent / "templates"
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
MOST_CHARACTERS = 1000  # of one reason
MOST_LINES = 40  # of what a check or an error said
MOST_MISTAKES = 8  # of one exercise
MOST_NAMES = 6  # beside a mistake


def student_page(course: Course, person: Person, levels: Levels) -> str:
    """What a student reads."""
    results = course.of_student(person.student)
    return _render(
        "student.html.jinja",
        person=person,
        results=results,
        points=sum(result.points for result in results),
        of=sum(result.of for result in results),
        levels=levels,
        ended=ENDED,
    )


def overview_page(course: Course) -> str:
    """What a teacher reads."""
    return _render(
        "overview.html.jinja",
        course=course,
        chapters=[_chapter(course, number) for number in course.titles],
        rows=[_row(course, person) for person in course.people],
        most_mistakes=MOST_MISTAKES,
    )


def page_name(person: Person) -> str:
    """The file of a student's page."""
    return f"{file_name(person.student)}.html"


# What stands on the overview ----------------------------------------------------------


def _chapter(course: Course, number: str) -> dict[str, Any]:
    results = course.of_notebook(number)
    graded = [result for result in results if result.checks]
    found, bins = solved(course, number), distribution(course, number)
    return {
        "title": f"{number} {course.titles[number]}",
        "count": len(results),
        "of": course.worth(number),
        "mean": sum(r.points for r in graded) / len(graded) if graded else 0,
        "troubles": sum(bool(result.trouble) for result in results),
        "solved": found,
        "has_mistakes": any(one.mistakes for one in found),
        "solved_told": plots.describe_solved(found),
        "solved_picture": _as_address(plots.solved_svg(found)),
        "points_told": plots.describe_distribution(bins),
        "points_picture": _as_address(plots.distribution_svg(bins)),
    }


def _row(course: Course, person: Person) -> dict[str, Any]:
    found = [course.results.get((person.student, n)) for n in course.titles]
    results = [result for result in found if result]
    return {
        "person": person,
        "page": quote(f"feedback/{page_name(person)}"),
        "points": [result.points if result else None for result in found],
        "total": sum(result.points for result in results),
        "remarks": [t for r in results for t in (*r.remarks, r.trouble) if t],
    }


def _as_address(svg: str) -> str:
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


# Templates ----------------------------------------------------------------------------


def visible(value: Any) -> Any:
    """A value without what steers a terminal or turns the direction of writing."""
    return STEERING.sub("�", value) if type(value) is str else value


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found: Any = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "told": told,
        "told_in_lines": told_in_lines,
        "sign": sign,
        "names": names,
        "let_through": let_through,
        "says_more": says_more,
        "capitalize_first": capitalize_first,
    }
    return found


def _render(template: str, **values: Any) -> str:
    text: str = _environment().get_template(template).render(**values)
    return text + "\n"


def told(text: object) -> str:
    """A text without control characters, cut where nobody reads on."""
    return clip(clean(text), MOST_CHARACTERS)


def told_in_lines(text: str) -> str:
    """The same of several lines."""
    rows = text.splitlines()
    cut = [f"… {len(rows) - MOST_LINES} more lines"] if len(rows) > MOST_LINES else []
    return "\n".join([*map(told, rows[:MOST_LINES]), *cut])


def capitalize_first(text: str) -> str:
    """A sentence; `str.capitalize` would make the rest small."""
    return text[:1].upper() + text[1:]


def sign(one: CheckResult | PartResult) -> str:
    """A tick or a cross; a tilde for some of the points."""
    if one.points == one.of:
        return "✓"
    return "~" if one.points else "✗"


def names(students: Sequence[str]) -> str:
    """Some names."""
    shown = "; ".join(students[:MOST_NAMES])
    more = len(students) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def says_more(check: CheckResult, level: Feedback) -> bool:
    """Whether there is something to read that no reason says: an error."""
    if level != "full" or check.ending == "pass" or not check.feedback:
        return False
    return check.ending in ENDED or not any(part.reasons for part in check.parts)
