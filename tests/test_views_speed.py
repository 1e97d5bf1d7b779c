"""Views are fast enough to be made again at every step of a slider.

The bounds are ten times what `benchmarks/views.py` measures: they are there to catch
what has become slow by an order of magnitude.
"""

import time
from collections.abc import Callable

from maillab.trace import Session, Trace
from maillab.trace.sample import Talk, letter

LADDER_MS = 10.0  # 25 arrows: 1 ms is the aim


def best(work: Callable[[], object]) -> float:
    """Milliseconds of processor time: the best of some runs."""
    found: list[float] = []
    for _ in range(5):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found) * 1000


def test_a_ladder_of_25_arrows_takes_about_a_millisecond() -> None:
    events = list(letter())

    def fresh() -> Session:
        return Trace(recorded=events).session()

    assert len(fresh().ladder().items()) >= 25
    assert best(lambda: fresh().ladder().text()) < LADDER_MS
    assert best(lambda: fresh().ladder().svg()) < LADDER_MS


def test_views_of_a_long_session_do_not_become_slow() -> None:
    """Twice the lines, about twice the time: nothing here is quadratic."""

    def session(rows: int) -> Session:
        talk = Talk(Trace())
        talk.connect()
        for _ in range(rows):
            talk.say("C", "NOOP")
            talk.say("S", "250 ok")
        return talk.trace.session()

    small, large = session(40), session(400)
    for view in (Session.hints, Session.ladder, Session.transcript):
        view(small).text()
        view(large).text()  # the lines are read now
        ratio = best(lambda view=view: view(large).text()) / best(
            lambda view=view: view(small).text()
        )
        assert ratio < 40, view.__name__
