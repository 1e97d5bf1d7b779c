"""Many letters over five days: every one ends once, whatever the hosts do."""

import pytest

from benchmarks.five_days import FiveDays, run

BOUND = 9.0  # seconds: three times what is allowed on two idle cores


def facts(found: FiveDays) -> tuple[object, ...]:
    return found.delivered, found.bounced, found.sessions, found.events


@pytest.mark.slow
def test_a_thousand_letters_end_once_each_and_the_same_way_twice() -> None:
    first, second = run(1_000), run(1_000)
    assert first.once
    assert first.left == 0
    assert len(first.delivered) > 800
    assert len(first.bounced) > 80
    assert facts(first) == facts(second)
    assert min(first.seconds, second.seconds) < BOUND
