"""Both streams in the order in which they left, each octet once."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.trace.hearing.stream_order import in_order
from maillab.trace.pieces import Burst, Gap


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_cut_order_and_repetition_gives_the_stream(octets, data):
    places = st.integers(0, len(octets))
    cuts = sorted({0, len(octets), *data.draw(st.lists(places, max_size=6))})
    spans = [*pairwise(cuts)]
    spans += [
        tuple(sorted(pair)) for pair in data.draw(st.lists(st.tuples(places, places)))
    ]
    spans = data.draw(st.permutations(spans))
    bursts = [Burst("C", a, octets[a:b], n, n, n) for n, (a, b) in enumerate(spans, 1)]
    found = list(in_order({"C": bursts, "S": []}, []))
    assert b"".join(burst.data for burst in found) == octets
    ends = [0, *(burst.end for burst in found)]
    assert [burst.offset for burst in found] == ends[:-1]


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=3, max_size=60), st.data())
def test_a_gap_is_told_where_it_is(octets, data):
    start = data.draw(st.integers(0, len(octets) - 2))
    end = data.draw(st.integers(start + 1, len(octets) - 1))
    parts = [(0, start), (end, len(octets))]
    bursts = [Burst("S", a, octets[a:b], n, n, n) for n, (a, b) in enumerate(parts, 1)]
    bursts = data.draw(st.permutations(bursts))
    gap = Gap("S", start, end - start)
    found = list(in_order({"C": [], "S": bursts}, [gap]))
    assert [one for one in found if isinstance(one, Gap)] == [gap]
    read = b"".join(one.data for one in found if isinstance(one, Burst))
    assert read == octets[:start] + octets[end:]
