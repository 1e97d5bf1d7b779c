"""How long views take: `python benchmarks/views.py`.

Each figure is the best of some runs, in milliseconds of processor time; "fresh" has the
session read from its events each time, as after a change of the world.

A ladder of 26 arrows and marks (`trace.sample.letter`), on one of two shared cores,
Python 3.11: text 0.5 ms fresh and 0.4 ms known, picture 0.8 ms and 0.5 ms. Before its
hot spots were looked at (text that is printable already is not encoded and decoded):
0.9 and 0.5, 1.4 and 0.9.
"""

import sys
import time
from collections.abc import Callable, Iterator

from maillab.trace import Session, Trace
from maillab.trace.sample import Talk, letter

RUNS, REPEATS = 7, 20
ROWS = 10_000  # of a long message


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of one run."""
    found: list[float] = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(repeats):
            work()
        found.append((time.process_time() - began) / repeats)
    return min(found) * 1000


def short(work: Callable[[Session], object]) -> tuple[float, float]:
    """Of the sample: fresh, and with the session read already."""
    events = list(letter())
    known = Trace(recorded=events).session()
    fresh = best(lambda: work(Trace(recorded=events).session()))
    return fresh, best(lambda: work(known))


def long_session() -> Session:
    """A message of many lines."""
    talk = Talk(Trace())
    talk.connect()
    talk.say("S", "220 mx.beta.example")
    talk.say("C", *(f"row {n}" for n in range(ROWS)), ".", what="content")
    talk.close("C")
    return talk.trace.session()


def figures() -> Iterator[tuple[str, float]]:
    """All of them, by name."""
    views: dict[str, Callable[[Session], object]] = {
        "transcript, text": lambda s: s.transcript().text(),
        "transcript, HTML": lambda s: s.transcript().html(),
        "ladder, text": lambda s: s.ladder().text(),
        "ladder, SVG": lambda s: s.ladder().svg(),
        "ladder, HTML": lambda s: s.ladder().html(),
        "hints, text": lambda s: s.hints().text(),
        "diff with itself, text": lambda s: s.diff(s).text(),
    }
    for name, work in views.items():
        fresh, known = short(work)
        yield f"{name}, fresh", fresh
        yield f"{name}, known", known
    trace = letter()
    yield "lanes, text", best(lambda: trace.ladder().text())
    yield "lanes, SVG", best(lambda: trace.ladder().svg())
    session = long_session()
    yield f"{ROWS:,} lines: transcript", best(lambda: session.transcript().text(), 1)
    yield f"{ROWS:,} lines: ladder", best(lambda: session.ladder().svg(), 1)
    yield f"{ROWS:,} lines: hints", best(lambda: session.hints().text(), 1)
    yield f"{ROWS:,} lines: diff", best(lambda: session.diff(session).text(), 1)


if __name__ == "__main__":
    for name, figure in figures():
        sys.stdout.write(f"{name:<34} {figure:>9.3f} ms\n")
