"""A class for tests of reports: eight students, two notebooks, odd names, odd texts."""

from pathlib import Path

from maillab.grading.batch.results import Entry, Results
from maillab.grading.results import CheckResult, Ending, PartResult, Result

SECRET = "the-secret-seed-of-this-course"
LURE = "<script>alert(1)</script>"
MISTAKES = {
    "dot": ("the final dot is missing", "a letter for Bob", "RFC 5321 §4.1.1.4"),
    "header": (
        "the header need not repeat the envelope",
        "From: the Queen",
        "RFC 5322",
    ),
    "": ("", "that carol logs in by POP3", "RFC 1939 §4"),
}
TITLES = {
    "1.1": "the envelope delivered, the header only talked",
    "1.2": "every reply is read right",
    "1.3": "deleted in vain, then for good",
    "1.4": "read unseen, flagged, and one removed",
}


def passed(id: str, of: int = 3) -> CheckResult:
    part = PartResult("", TITLES[id], of, of)
    return CheckResult(id, grade_id(id), "pass", (part,), f"✓ {id}", 0.2)


def failed(id: str, mistake: str = "", found: str = "none", of: int = 3) -> CheckResult:
    perhaps, expected, see = MISTAKES[mistake]
    reasons = {"expected": expected, "found": found, "see": see, "perhaps": perhaps}
    reasons = {name: text for name, text in reasons.items() if text}
    part = PartResult("", TITLES[id], 0, of, reasons)
    return CheckResult(id, grade_id(id), "fail", (part,), f"✗ {id}\n expected …", 0.2)


def ended(id: str, ending: Ending, feedback: str = "", of: int = 3) -> CheckResult:
    part = PartResult("", TITLES[id], 0, of)
    return CheckResult(id, grade_id(id), ending, (part,), feedback, 20.0)


def zones(*passed_ones: str) -> CheckResult:
    """An exercise in parts."""
    reasons = {"expected": "an address", "perhaps": "MX must not name an alias"}
    parts = tuple(
        PartResult(name, f"the zone {name} is right", int(good), 1, {} if good else why)
        for name, why in (("cname", reasons), ("dot", reasons), ("ttl", reasons))
        for good in [name in passed_ones]
    )
    ending: Ending = "pass" if len(passed_ones) == 3 else "fail"
    return CheckResult("4.3", "check-4-3", ending, parts, "", 0.3)


def grade_id(id: str) -> str:
    return f"check-{id.replace('.', '-')}"


def result(student: str, *checks: CheckResult, trouble: str = "") -> Result:
    number = checks[0].id.partition(".")[0].zfill(2) if checks else "01"
    title = {"01": "A letter by hand", "04": "Where does it go?"}[number]
    file, remarks = f"{number}-x.ipynb", ("answer-1-4 occurs twice: the first counts",)
    return Result(
        student,
        number,
        title,
        file,
        "0" * 64,
        "f" * 16,
        "bwrap",
        checks,
        remarks if student == "zoe" else (),
        trouble,
        1.25,
    )


def results() -> list[Result]:
    loop = ended("1.2", "timeout")
    broken = ended("1.2", "error", "NameError: name 'read_reply' is not defined")
    lure = failed("1.1", "header", f"{LURE} & \x1b[31mred\x1b[0m {'long ' * 900}")
    return [
        result("zoe", *map(passed, TITLES)),
        result("ann", passed("1.1"), broken, failed("1.3"), failed("1.4")),
        result("ben", failed("1.1", "dot"), loop, passed("1.3"), failed("1.4")),
        result(
            "cem", failed("1.1", "dot"), passed("1.2"), passed("1.3"), passed("1.4")
        ),
        result(LURE, lure, *(ended(id, "killed") for id in ("1.2", "1.3", "1.4"))),
        result('Müller, "Jo"', *map(passed, ("1.1", "1.2", "1.3")), failed("1.4")),
        result("=HYPERLINK(1)", trouble="mine.ipynb: is not a notebook"),
        result("zoe", zones("cname", "dot", "ttl")),
        result("ann", zones("dot")),
    ]


SYSTEMS = {"ann": ("moodle", "4711"), "ben": ("canvas", "123")}


def graded(folder: Path) -> Path:
    """A folder as `maillab grade` leaves it, its secret included."""
    kept = Results(folder)
    kept.create()
    (folder / "secret-seed").write_text(SECRET)
    for one in results():
        system, login = SYSTEMS.get(one.student, ("", ""))
        kept.keep(Entry(one, "key", system, login))
    return folder
