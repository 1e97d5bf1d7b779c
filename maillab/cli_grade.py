"""`maillab grade`, `maillab report`, `maillab check-notebook`.

Goes in: the command line; notebooks that students handed in, or a student's own. Comes
out: results and reports in a folder, or verdicts on the screen.

Rule: what is imported for a command is imported when it runs.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from maillab.grading.batch.batch import Summary

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def register(app: typer.Typer) -> None:
    """Give the commands to the `maillab` command."""
    app.command(epilog=EXAMPLES)(grade)
    app.command()(report)
    app.command("check-notebook")(check_notebook)


# maillab grade ------------------------------------------------------------------------

LabName = Annotated[
    str,
    typer.Argument(
        metavar="LAB",
        help="A number such as 01, a lab, or the path of an instructor's notebook.",
        show_default=False,
    ),
]
Submissions = Annotated[
    list[Path],
    typer.Argument(
        help="Notebooks, folders (of nbgrader, Moodle, Canvas), zip files.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        metavar="DIR", help="Where results go, and the secret if it is drawn."
    ),
]
SeedFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Holds the secret seed; else one is drawn once, into DIR.",
        show_default=False,
    ),
]
PerStudent = Annotated[
    bool,
    typer.Option(
        "--per-student/--one-world",
        help="A world for each student (slower), or one for all.",
    ),
]
JailName = Annotated[
    Literal["auto", "bwrap", "docker", "none"],
    typer.Option(help="What the code of students runs in; auto: bwrap where it works."),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Processes; else as many as cores.", show_default=False),
]
Dask = Annotated[
    str,
    typer.Option(metavar="tcp://HOST:PORT", help="Grade on a Dask cluster instead."),
]
Image = Annotated[
    str, typer.Option(metavar="NAME", help="Of docker; see below how to make it.")
]
TimeOut = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="For one cell; else what the author wishes, or 20.",
        show_default=False,
    ),
]
EXAMPLES = """\
For example:

    maillab grade 01 submitted/ --out graded --seed-file secret --per-student

    maillab grade 01 moodle.zip canvas.zip --out graded --jobs 4

The image for --jail docker is made once, in a checkout:

    docker build -t maillab -f maillab/grading/running/Dockerfile .
"""


def grade(  # noqa: PLR0913  (one for each option)
    lab: LabName,
    submissions: Submissions,
    out: Out = Path("graded"),
    seed_file: SeedFile = None,
    per_student: PerStudent = False,
    jail: JailName = "auto",
    jobs: Jobs = None,
    dask: Dask = "",
    image: Image = "maillab",
    time_out: TimeOut = None,
) -> None:
    """Grade what students handed in. Again: only what changed."""
    from maillab.grading.batch.batch import Wishes, grade_all
    from maillab.grading.batch.progress import progress_for
    from maillab.grading.running import Limits

    wishes = Wishes(
        lab,
        submissions,
        out,
        seed_file,
        per_student,
        Limits(jail=jail, image=image),
        jobs or cores(),
        dask,
        time_out,
    )
    try:
        with progress_for(sys.stderr) as progress:
            summary = grade_all(wishes, progress)
    except KeyboardInterrupt:
        typer.echo(
            f"\nmaillab: stopped; what was graded is in {out}; type the same again "
            f"to go on",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    show(summary, out)


def cores() -> int:
    """As many as this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def show(summary: "Summary", out: Path) -> None:
    """What was graded, and what to type next."""
    from maillab.trace.lines import clean  # names of files are words of students

    for remark in summary.remarks:
        typer.echo(f"maillab: {clean(remark)}", err=True)
    for entry in summary.entries:
        result = entry.result
        typer.echo(f"{result.points:3} of {result.of:<3} {result.student}")
        told = [*result.remarks, result.trouble] if result.trouble else result.remarks
        for remark in told:
            typer.echo(f"           {clean(remark)}")
    count, kept = len(summary.entries), len(summary.entries) - summary.graded
    typer.echo(f"\n{count} notebooks, {kept} of them graded before. Results: {out}")
    typer.echo(f"Next: maillab report {out} --html --csv")


# maillab report -----------------------------------------------------------------------

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Results.", show_default=False)
]
Html = Annotated[
    bool, typer.Option("--html", help="A page for each student, one of the class.")
]
Csv = Annotated[bool, typer.Option("--csv", help="A table: a row for each student.")]
Junit = Annotated[bool, typer.Option("--junit", help="For programs that show tests.")]
Moodle = Annotated[bool, typer.Option("--moodle", help="A grade book for Moodle.")]
Canvas = Annotated[bool, typer.Option("--canvas", help="A grade book for Canvas.")]
Students = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV: student, name, email, id, section; only the first is needed.",
        show_default=False,
    ),
]
Feedback = Annotated[
    Literal["full", "brief", "points"] | None,
    typer.Option(
        help="What students are told: brief leaves out what was found; else what the "
        "author wishes.",
        show_default=False,
    ),
]


def report(  # noqa: PLR0913  (one for each option)
    folder: Folder,
    html: Html = False,
    csv: Csv = False,
    junit: Junit = False,
    moodle: Moodle = False,
    canvas: Canvas = False,
    students: Students = None,
    feedback: Feedback = None,
) -> None:
    """Write feedback and grade books from what `maillab grade` left."""
    from maillab.grading.batch.results import Results
    from maillab.grading.reporting import Wishes, write_reports

    Results(folder).demand()
    if not (html or csv or junit or moodle or canvas):
        html = csv = True
    wishes = Wishes(html, csv, junit, moodle, canvas, students, feedback or "")
    for file in write_reports(folder, wishes):
        typer.echo(file)


# maillab check-notebook ---------------------------------------------------------------

Patience = Annotated[
    float, typer.Option(min=0.1, metavar="SECONDS", help="For one cell.")
]
Notebook = Annotated[
    Path, typer.Argument(metavar="FILE", help="Your notebook.", show_default=False)
]


def check_notebook(notebook: Notebook, time_out: Patience = 60.0) -> None:
    """Run your notebook as the grader would, and say what it is worth."""
    from maillab.grading.batch.oneself import look_at

    look = look_at(notebook, time_out)
    typer.echo(look.text())
    raise typer.Exit(0 if look.passed else 1)
