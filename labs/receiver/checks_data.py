"""Exercise 2.2 of notebook 02: the reader of mail data, in all pieces of TCP.

The referee is our own reader, `maillab/wire/smtp_content.py`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.wire.lines import LineBuffer
from maillab.wire.smtp_content import ContentReader, stuffed

MOST = 1_000_000  # octets
SHOWN = 14  # octets on each side of a cut
NEXT = b"MAIL FROM:<mallory@there.example>\r\n"  # what a smuggler wants to be a command
PLAIN = b"Hello\r\n..dear\r\n.\r\nQUIT\r\n"
STRANGE = (
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\n"),
    *(b"\r\n.\0\r\n", b"\r\r\n.\n", b"\n..\r\n", b"\r\n\0.\r\n", b"\r\n. \r\n"),
)


class Read(NamedTuple):
    """What a reader made of some octets."""

    letter: bytes | None
    rest: bytes = b""
    error: str = ""


def begin_2_2(lab: Lab) -> Task:
    return Task("2.2", "Read mail data")


def check_2_2(lab: Lab, data_reader: object = None) -> Parts:
    lab.task("2.2")
    if not callable(data_reader):
        wrong = Failed("a class DataReader with a method feed", repr(data_reader))
        return {part.name: wrong for part in PARTS}
    dots = list(letters(lab))
    strange = list(smuggled(lab))
    return {
        "dots": attempt(check_dots, data_reader, dots),
        "pieces": attempt(check_pieces, data_reader, dots[:-1]),
        "strangers": attempt(check_strangers, data_reader, strange),
    }


# Mail data ----------------------------------------------------------------------------


def letters(lab: Lab) -> Iterator[bytes]:
    """What follows 354: letters with all kinds of dots, and what comes behind them."""
    one, two, three = (word.encode() for word in lab.words("2.2", 3))
    head = b"Subject: " + one + b"\r\n\r\n"
    yield stuffed(head + two + b"\r\n")
    yield stuffed(head + b".\r\n" + two + b"\r\n") + b"QUIT\r\n"
    yield stuffed(head + b".." + two + b"\r\n...\r\n." + three + b"\r\n")
    yield stuffed(b"")
    yield stuffed(b"") + b"RSET\r\nQUIT\r\n"
    yield stuffed(b"." + one + b"\r\n.\r\n")
    yield stuffed(head + b"\r\n\r\n" + two + b" ends with a dot.\r\n\r\n")
    yield stuffed(head + "Grüße, ☂ ".encode() + three + b"\r\n") + b"NOOP\r\n"
    yield stuffed(head + bytes(range(128, 256)) + b"\r\n" + two + b".\r\n")
    yield stuffed(b"Subject: " + one + b"\r\n" + b"." * 5 + b"\r\n") + stuffed(two)
    yield stuffed(head + (b"." + three + b"\r\n") * 300) + b"QUIT\r\n"


def smuggled(lab: Lab) -> Iterator[bytes]:
    """Letters in which something looks like the end of the letter and is none."""
    (word,) = lab.words("2.2 smuggled", 1)
    head = b"Subject: " + word.encode() + b"\r\n\r\nHello"
    for strange in STRANGE:
        yield head + strange + NEXT + b"and more\r\n.\r\nQUIT\r\n"


def right(wire: bytes) -> Read:
    """What our own reader makes of it."""
    lines = LineBuffer(512)
    reader = ContentReader(lines, MOST)
    lines.feed(wire)
    assert reader.read(), "all letters have an end"
    return Read(reader.content, lines.clear())


# Reading ------------------------------------------------------------------------------


def read(data_reader: Callable[[], Any], pieces: Sequence[bytes]) -> Read:
    """Feed a new reader until it has the letter."""
    try:
        reader = data_reader()
        for number, piece in enumerate(pieces, 1):
            letter = reader.feed(piece)
            if letter is not None:
                after = b"".join(pieces[number:])
                return Read(bytes(letter), bytes(reader.rest) + after)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any student's code)
        return Read(None, error=f"{type(error).__name__}: {error}")
    return Read(None)


def check_dots(data_reader: Callable[[], Any], wires: Sequence[bytes]) -> Evidence:
    """Each letter in one piece."""
    found = [read(data_reader, [wire]) for wire in wires]
    for wire, one in zip(wires, found, strict=True):
        expected = right(wire)
        if one.letter != expected.letter:
            raise wrong_letter([wire], expected, one)
        if one.rest != expected.rest:
            raise Failed(
                f"reader.rest to be {shown(expected.rest)} after {shown(wire)}",
                shown(one.rest),
                "RFC 2920 §3.1",
                "what came behind the end is no part of the letter, and not to be lost",
            )
    return digest("letters", found)


def wrong_letter(pieces: Sequence[bytes], expected: Read, found: Read) -> Failed:
    return Failed(
        f"the letter {shown(expected.letter)} from {fed(pieces)}",
        found.error or shown(found.letter),
        "RFC 5321 §4.5.2",
        why_wrong(expected.letter or b"", found),
    )


def why_wrong(expected: bytes, found: Read) -> str:
    """The likely mistake, if this looks like a known one."""
    if found.error:
        return "feed gets octets: write b'…' for each text that you look for"
    if found.letter is None and not expected:
        return "a letter may be empty: the first CRLF may be that of the line DATA"
    if found.letter is None:
        return "feed returns the letter as soon as its last octets have come"
    if found.letter.replace(b"\r\n..", b"\r\n.") == expected or (
        found.letter[:1] == b"." and found.letter[1:] == expected
    ):
        return (
            "of a line that begins with a dot, the first one too, that dot is deleted"
        )
    if found.letter.replace(b".", b"") == expected.replace(b".", b""):
        return "only a dot at the beginning of a line is one too many"
    if expected.startswith(found.letter):
        return "the CRLF before the final dot belongs to the letter's last line"
    if found.letter.startswith(expected):
        return "the final dot is no part of the letter"
    return "octets are octets: change nothing but the dots"


def check_pieces(data_reader: Callable[[], Any], wires: Sequence[bytes]) -> Evidence:
    """Each letter cut at every place; in two cuts; octet by octet."""
    found: list[Read] = []
    for wire in wires:
        expected = right(wire)
        if (whole := read(data_reader, [wire])) != expected:
            raise Failed(
                "letters that are read well in one piece, to begin with",
                whole.error or f"{shown(whole.letter)}, and rest {shown(whole.rest)}",
                perhaps="mend the part `dots` first",
            )
        for pieces in all_cuts(wire):
            one = read(data_reader, pieces)
            found.append(one)
            if one != expected:
                raise Failed(
                    f"the same letter from {fed(pieces)} as in one piece",
                    one.error or f"{shown(one.letter)}, and rest {shown(one.rest)}",
                    "RFC 5321 §4.1.1.4",
                    "TCP cuts anywhere, in the middle of CRLF.CRLF too: keep what "
                    "came, and look at all of it",
                )
    return digest("pieces", found)


def all_cuts(wire: bytes) -> Iterator[list[bytes]]:
    size = len(wire)
    yield from ([wire[:n], wire[n:]] for n in range(1, size))
    near = range(max(1, size - 9), size)
    yield from ([wire[:a], wire[a:b], wire[b:]] for a in near for b in near if a < b)
    yield [wire[n : n + 1] for n in range(size)]


def check_strangers(data_reader: Callable[[], Any], wires: Sequence[bytes]) -> Evidence:
    """Line ends that are none, whole and octet by octet."""
    found: list[Read] = []
    for wire in wires:
        expected = right(wire)
        for pieces in ([wire], [wire[n : n + 1] for n in range(len(wire))]):
            one = read(data_reader, pieces)
            found.append(one)
            if one == expected:
                continue
            demand_plain(data_reader, len(pieces))
            letter = shown(one.letter, (one.letter or b"").find(b"Hello") + 6)
            raise Failed(
                f"one letter from {shown(wire, wire.index(b'Hello') + 6)}",
                one.error or f"{letter}, and rest {shown(one.rest)}",
                "RFC 5321 §2.3.8",
                strange_mistake(expected, one),
            )
    return digest("strangers", found)


def demand_plain(data_reader: Callable[[], Any], pieces: int) -> None:
    """Whoever fails here has another trouble than strange line ends."""
    fed = [PLAIN] if pieces == 1 else [PLAIN[n : n + 1] for n in range(len(PLAIN))]
    one = read(data_reader, fed)
    if one != right(PLAIN):
        raise Failed(
            "letters with good line ends to be read well, to begin with",
            one.error or f"{shown(one.letter)}, and rest {shown(one.rest)}",
            perhaps=f"mend the part `{'dots' if pieces == 1 else 'pieces'}` first",
        )


def strange_mistake(expected: Read, found: Read) -> str:
    if NEXT in found.rest:
        return "only CRLF . CRLF ends a letter; this way a second one is smuggled in"
    if found.letter is not None and found.rest == expected.rest:
        return "a CR or LF alone ends no line: keep it, and look for dots behind CRLF"
    return "all that is not CRLF . CRLF is part of the letter"


# Showing ------------------------------------------------------------------------------


def digest(name: str, found: Iterable[Read]) -> Evidence:
    """What was read, letter by letter."""
    rows = [[str(one.letter), str(one.rest)] for one in found]
    unique = sorted(
        hashlib.sha256(text.encode()).hexdigest()[:16]
        for text in {json.dumps(row) for row in rows}
    )
    return {"read": len(rows), name: unique}


def shown(octets: bytes | None, middle: int = -1) -> str:
    """The octets, or those around one place."""
    if octets is None:
        return "no letter"
    start = max(0, middle - SHOWN) if middle >= 0 else 0
    part = octets[start : start + 4 * SHOWN]
    before, after = "… " * (start > 0), " …" * (start + len(part) < len(octets))
    return f"{before}{part!r}{after}"


def fed(pieces: Sequence[bytes]) -> str:
    """The pieces, as far as one can read them."""
    if len(pieces) == 1:
        return shown(pieces[0])
    if len(pieces) > 3:
        return f"{shown(b''.join(pieces))}, octet by octet"
    rows = [repr(piece[-2 * SHOWN :]) for piece in pieces]
    return " and then ".join(rows)


PARTS = (
    Part("dots", 1, "letters in one piece, with all kinds of dots"),
    Part("pieces", 2, "the same letters, cut at every place"),
    Part("strangers", 1, "line ends that are none"),
)
EXERCISES = (
    Exercise(
        "2.2", 4, "every letter read to its last octet", begin_2_2, check_2_2, PARTS
    ),
)
