"""Exercise 10.1 of notebook 10: six people, six reasons, and a capture of each.

The captures come from a world of their own, `forum.toml`. They are written and read
again, so that nothing is in them but packets.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.trace import pcapng
from maillab.trace.capture import Capture
from maillab.trace.dissect.packet_table import Row
from maillab.trace.reading.capture_file import CaptureFile
from maillab.world.console import Console
from maillab.world.files import find_scenario, load
from maillab.world.world import World

PEOPLE = ("ann", "ben", "cleo", "dan", "eve", "finn")
CAUSES = ("drop", "reject", "prohibit", "5xx", "redirect", "strip")
LISTS = "dialup.cloud.example"
PROXY, RELAY = "proxy.provider.example", "relay.cloud.example"


class Captures(dict[str, CaptureFile]):
    """Captures by the name of who made them."""

    def __repr__(self) -> str:
        return f"<captures of {', '.join(self)}>"


class Forum(NamedTuple):
    """The files, and what is the matter: cause -> who has it.

    server, name  address and name of the server that all of them tried
    """

    files: Mapping[str, bytes]
    causes: Mapping[str, str]
    server: str
    name: str

    def captures(self) -> Captures:
        """Read them; each time anew, so that nobody changes anybody else's."""
        found = {name: CaptureFile.from_bytes(self.files[name]) for name in PEOPLE}
        return Captures(found)


FORUMS: dict[str, Forum] = {}  # by seed: the same seed, the same captures


# The exercise -------------------------------------------------------------------------


def begin_10_1(lab: Lab) -> Task:
    if lab.seed not in FORUMS:
        FORUMS[lab.seed] = hold_forum(lab)
    forum = FORUMS[lab.seed]
    return Task(
        "10.1",
        "Tell from a capture why no letter goes out",
        captures=forum.captures(),
        server=forum.server,
        name=forum.name,
    )


def check_10_1(lab: Lab, diagnose: object = None) -> Parts:
    lab.task("10.1")
    if not callable(diagnose):
        raise Failed("a function diagnose(capture)", repr(diagnose))
    forum = FORUMS[lab.seed]
    told = {n: ask(diagnose, n, capture) for n, capture in forum.captures().items()}
    return {cause: attempt(judge, forum, told, cause) for cause in CAUSES}


def ask(
    diagnose: Callable[..., object], name: str, capture: CaptureFile
) -> tuple[str, int]:
    """What the student's function says of a capture."""
    try:
        result = diagnose(capture)
    except Exception as error:  # whatever the student's code does
        raise Failed(
            f"diagnose to read the capture of {name}",
            f"{type(error).__name__}: {error}",
            perhaps="not every capture has the packet that you look for"
            if isinstance(error, IndexError | StopIteration | ValueError)
            else "",
        ) from error
    match result:
        case (str(cause), int(number)):
            return cause, number
        case _:
            raise Failed(
                "diagnose to return (cause, number): a word and a packet number",
                repr(result)[:80],
                perhaps="write a word and a number in the place of the dots"
                if result == (..., ...)
                else "its last line should be: return cause, number",
            )


def judge(forum: Forum, told: dict[str, tuple[str, int]], cause: str) -> Evidence:
    """One cause: it is said of one capture, the right one, with its proof."""
    section, missed, proof = WORDS_OF[cause]
    said = [name for name, (word, _) in told.items() if word == cause]
    right = forum.causes[cause]
    if said != [right]:
        raise Failed(
            f"{cause!r} said of the one capture that shows it",
            f"it is said of {', '.join(said) or 'none'}",
            section,
            missed if right not in said else too_many(said),
        )
    number = told[right][1]
    rows = CaptureFile.from_bytes(forum.files[right]).listing().rows
    row = rows[number - 1] if 0 < number <= len(rows) else None
    if row is None or number != proof_of(cause, rows, forum):
        what = f"{row.protocol}, {row.info}" if row else "there is none"
        raise Failed(
            "the number of the packet that proves it",
            f"packet {number} of the capture of {right}: {what}",
            section,
            proof,
        )
    return {"who": right, "packet": [str(cell) for cell in row]}


def too_many(said: Sequence[str]) -> str:
    if len(said) == len(PEOPLE):
        return "one answer for all captures: nothing in them is looked at"
    return "it fits others, too: is the packet about port 25 of task.server?"


def proof_of(cause: str, rows: Sequence[Row], forum: Forum) -> int:
    """The last packet that shows it; all are about port 25 of the server."""
    return [row.number for row in rows if is_sign(cause, row, forum)][-1]


def is_sign(cause: str, row: Row, forum: Forum) -> bool:
    came = row.source == forum.server
    match cause:
        case "drop":
            return row.destination == forum.server and "[SYN]" in row.info
        case "reject":
            return came and "[RST" in row.info
        case "prohibit":
            return row.protocol == "ICMP" and forum.server in row.info
        case "5xx":
            return came and row.info.startswith("S: 5")
        case "redirect":
            greeting = row.info.startswith("S: 220 ")
            return came and greeting and forum.name not in row.info
        case _:
            return came and "XXXXXXXA" in row.info


WORDS_OF = {  # cause -> section, likely mistake in finding it, in proving it
    "drop": (
        "RFC 9293 §3.8.3",
        "silence is what does not stand in a capture: SYNs, and nothing from there",
        "the proof of silence is the last SYN: by then all others went unanswered",
    ),
    "reject": (
        "RFC 9293 §3.5.2",
        "a RST that answers a SYN to port 25; other ports have RSTs of their own",
        "the RST comes from the address that was called, and answers its SYN",
    ),
    "prohibit": (
        "RFC 1812 §5.2.7.1",
        "an ICMP error comes from a router; in its row stands which packet it is about",
        "there are ICMP errors about other ports; look at what stands behind “about”",
    ),
    "5xx": (
        "RFC 5321 §4.2.1",
        "a reply with 5 comes from the server itself: TCP did all it should",
        "other servers say 5yz, too; the one that counts comes from task.server",
    ),
    "redirect": (
        "RFC 5321 §4.3.1",
        "the greeting says who is there: compare it with task.name",
        "the proof is the greeting, 220, with another name than task.name",
    ),
    "strip": (
        "RFC 3207 §6",
        "look what the server offers in its answer to EHLO: XXXXXXXA is no keyword",
        "the proof is the answer to EHLO in which STARTTLS was overwritten",
    ),
}


# The forum ----------------------------------------------------------------------------


def hold_forum(lab: Lab) -> Forum:
    """Six people try to send a letter, and keep what their PC saw of it."""
    dice = lab.random("forum")
    causes = dict(zip(CAUSES, dice.sample(PEOPLE, len(PEOPLE)), strict=True))
    file = find_scenario(lab.name).parent / "forum.toml"
    with World(load(file, lab.renaming), f"{lab.seed}:forum") as world:
        for cause, name in causes.items():
            set_up(world, cause, world.host(f"{name}-pc").addresses[0])
        for name in PEOPLE:
            an_evening(world, f"{name}-pc", lab, dice)
        files = {n: bare_file(world.trace.capture(f"{n}-pc")) for n in PEOPLE}
    return Forum(files, causes, lab.names.big_address, lab.names.big_server)


def bare_file(capture: Capture) -> bytes:
    """Only the packets: comments and names would tell what one should find out."""
    section = pcapng.section("a PC of a customer")
    interface = pcapng.interface(capture.place, pcapng.LINK_RAW, "all interfaces")
    ways = {True: pcapng.OUTBOUND, False: pcapng.INBOUND}
    packets = [
        pcapng.packet(one.data, capture.epoch_ns + one.time_ns, ways[one.outbound])
        for one in capture.packets
    ]
    return b"".join([section, interface, *packets])


def set_up(world: World, cause: str, address: str) -> None:
    """Give one customer the reason for which nothing goes out."""
    if cause == "5xx":
        listed = ".".join(reversed(address.split(".")))
        world.zone(LISTS).add(listed, "A", "127.0.0.3")
        return
    rule: dict[str, Any] = {"action": cause, "direction": "out", "protocol": "tcp"}
    rule |= {"ports": 25, "source": address}
    if cause == "redirect":
        rule["to"] = PROXY
    if cause == "strip":
        rule["action"] = "strip-starttls"
    world.add_rule("provider", **rule)


def an_evening(world: World, pc: str, lab: Lab, dice: random.Random) -> None:
    """The letter, and before and behind it what else one does."""
    others: list[Callable[..., None]] = [relays, reads_mail, reads_news, asks_names]
    others += [relays, asks_names]
    dice.shuffle(others)
    before = dice.randint(2, 4)
    for other in others[:before]:
        other(world, pc, dice)
    sends(world, pc, lab)
    for other in others[before:]:
        other(world, pc, dice)


def sends(world: World, pc: str, lab: Lab) -> None:
    """The letter that does not go out, or goes where it should not."""
    lines = [f"EHLO {pc}", "MAIL FROM:<>", f"RCPT TO:<bob@{lab.names.big}>"]
    says(world, pc, (lab.names.big_server, 25), lines)


def relays(world: World, pc: str, dice: random.Random) -> None:
    """By a relay that wants a login, and gets none."""
    says(world, pc, (RELAY, 587), [f"EHLO {pc}", "MAIL FROM:<>"])


def reads_mail(world: World, pc: str, dice: random.Random) -> None:
    """At a server without this service: a RST comes back, and proves nothing."""
    says(world, pc, (RELAY, dice.choice([110, 143, 993])), [])


def reads_news(world: World, pc: str, dice: random.Random) -> None:
    """A service that the provider prohibits: an ICMP error about something else."""
    says(world, pc, (RELAY, 119), [])


def asks_names(world: World, pc: str, dice: random.Random) -> None:
    """Questions to the DNS, so that packets have other numbers."""
    names = ["www", "news", "shop", "ftp", "time"]
    for name in dice.sample(names, dice.randint(1, 4)):
        world.dig(f"{name}.cloud.example", host=pc)


def says(world: World, pc: str, where: tuple[str, int], lines: list[str]) -> None:
    try:
        with world.console(pc, *where) as console:
            for _ in replies(console, lines):
                pass
    except OSError:  # that is what they write about
        pass


def replies(console: Console, lines: list[str]) -> Iterator[str]:
    """Until the server says no; then goodbye."""
    for line in [*lines, "QUIT"]:
        reply = console.say(line)
        yield reply
        if reply.startswith("5"):
            yield console.say("QUIT")
            return


EXERCISES = (
    Exercise(
        "10.1",
        6,
        "each capture told by the packet that proves it",
        begin_10_1,
        check_10_1,
        parts=(
            Part("drop", 1, "nobody answers"),
            Part("reject", 1, "a RST refuses"),
            Part("prohibit", 1, "a router prohibits"),
            Part("5xx", 1, "the server says no"),
            Part("redirect", 1, "somebody else answers"),
            Part("strip", 1, "STARTTLS was taken out"),
        ),
    ),
)
