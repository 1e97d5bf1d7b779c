"""The explorer of a capture, driven without a browser: values set, output read."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from maillab.trace.capture import Capture
from maillab.trace.dissect.packet_search import PacketsFound
from maillab.trace.recorder import Trace
from maillab.trace.sample import Talk
from maillab.ui.capture_explorer import CaptureExplorer
from tests.worlds import plain_world

NAME = "world.trace.capture('mail.alpha.example')"


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    with plain_world() as world:
        world.send("alice", "bob@beta.example", "Hello", "Hi")
        yield world.trace.capture("mail.alpha.example")


@pytest.fixture
def explorer(capture: Capture) -> CaptureExplorer:
    return capture.explore()


class FakeWorld(NamedTuple):
    """What the printed calls are typed into."""

    trace: Trace


def same_as_its_call(explorer: CaptureExplorer) -> bool:
    given = eval(explorer.call, {"world": FakeWorld(explorer.capture.trace)})
    assert explorer.view is not None
    assert explorer.trouble == ""
    assert explorer.picture.value == given.html()
    return str(given) == explorer.view.text()


def test_at_first_there_is_the_first_page(explorer: CaptureExplorer) -> None:
    assert explorer.call == f"{NAME}.listing(1, 20)"
    assert same_as_its_call(explorer)
    assert [number for _, number in explorer.packet.options] == list(range(21))
    assert explorer.before.disabled
    assert not explorer.after.disabled


def test_pages_go_on_to_the_end_and_back(explorer: CaptureExplorer) -> None:
    total, seen = len(explorer.capture.packets), []
    while True:
        seen += [number for _, number in explorer.packet.options if number]
        assert same_as_its_call(explorer)
        if explorer.after.disabled:
            break
        explorer.after.click()
    assert seen == list(range(1, total + 1))
    explorer.after.click()  # nothing comes behind the last page
    while not explorer.before.disabled:
        explorer.before.click()
    assert explorer.call == f"{NAME}.listing(1, 20)"


def test_a_packet_is_taken_apart(explorer: CaptureExplorer) -> None:
    explorer.packet.value = 4
    assert explorer.call == f"{NAME}.dissect(4)"
    assert same_as_its_call(explorer)
    explorer.packet.value = 0
    assert explorer.call == f"{NAME}.listing(1, 20)"


def test_a_number_may_be_typed(explorer: CaptureExplorer) -> None:
    last = len(explorer.capture.packets)
    explorer.go.value = last
    assert explorer.call == f"{NAME}.dissect({last})"
    explorer.go.value = last + 1000
    assert explorer.go.value == last
    explorer.go.value = 7
    assert (explorer.call, explorer.packet.value) == (f"{NAME}.dissect(7)", 7)
    assert same_as_its_call(explorer)


def test_words_choose_packets_page_by_page(explorer: CaptureExplorer) -> None:
    explorer.size.value = 10
    explorer.wanted.value = "smtp 192.0.2.25"
    found: list[int] = []
    while True:
        assert same_as_its_call(explorer)
        found += [number for _, number in explorer.packet.options if number]
        if explorer.after.disabled:
            break
        explorer.after.click()
    rows = explorer.capture.listing().table().rows
    told = {int(row[0]): " ".join(row).lower() for row in rows}
    wanted = [n for n, text in told.items() if "smtp" in text and "192.0.2.25" in text]
    assert found == wanted
    assert len(wanted) > 10
    assert explorer.call.startswith(f"{NAME}.find('smtp 192.0.2.25', first=")


def test_words_that_nothing_mentions_give_an_empty_page(
    explorer: CaptureExplorer,
) -> None:
    explorer.wanted.value = "<b>gopher"
    assert explorer.trouble == ""
    assert "0 packets that mention '<b>gopher'" in explorer.text()
    assert "<b>gopher" not in explorer.html()
    explorer.wanted.value = ""
    assert explorer.call == f"{NAME}.listing(1, 20)"


def test_a_search_may_begin_anywhere(capture: Capture) -> None:
    everything = PacketsFound(capture, "smtp", 1, 1000)
    assert everything.next == 0
    second = capture.find("SMTP", first=everything.numbers[0] + 1, count=1)
    assert second.numbers == everything.numbers[1:2]
    assert second.next == everything.numbers[2]


def test_an_empty_capture_can_be_explored() -> None:
    trace = Trace()
    Talk(trace, "c1").connect()
    trace.emit("power", "idle", "", 0, on=True)
    explorer = trace.capture("idle").explore()
    assert explorer.trouble == ""
    assert "No packets" in explorer.text()


def test_secrets_stay_masked(explorer: CaptureExplorer) -> None:
    [login] = explorer.capture.find("C: AUTH PLAIN").numbers
    explorer.go.value = login
    assert "AUTH PLAIN ********" in explorer.text()
    for _, number in explorer.packet.options:
        explorer.packet.value = number
        assert "AGFsaWNl" not in explorer.text()  # base64 of NUL, alice


def test_without_a_kernel_there_is_the_list(explorer: CaptureExplorer) -> None:
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == explorer.text()
    assert "<table>" in bundle["text/html"]
