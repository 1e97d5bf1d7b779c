"""STORE: changing flags (RFC 3501 §6.4.6), perhaps only of what nobody else has changed
meanwhile (RFC 7162 §3.1.3).

Goes in: the command. Comes out: untagged FETCH responses, and who failed the test.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from maillab.protocol.engine import Pause
from maillab.protocol.imap_server_choosing import EXPUNGED, chosen, must_write
from maillab.protocol.imap_server_commands import Steps, command, uid_form
from maillab.protocol.imap_server_events import Stored, StoreFlags
from maillab.wire.imap import BadSyntax, Scanner, Status, flag_list, ok
from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sets import compact

if TYPE_CHECKING:
    from maillab.protocol.imap_server import IMAPServer

AT_ONCE = 1000  # messages; then others have a turn


@dataclass(slots=True)
class Progress:
    """What has become of a STORE. `failed`: UIDs that others had changed."""

    by_uid: bool
    silent: bool
    count: int = 0
    failed: list[int] = field(default_factory=list[int])


@command("STORE", rfc="RFC 3501 §6.4.6")
def store(server: "IMAPServer", words: Scanner) -> Steps:
    """Change flags."""
    return (yield from _store(server, words, by_uid=False))


@uid_form("STORE", rfc="RFC 3501 §6.4.8")
def _store(server: "IMAPServer", words: Scanner, *, by_uid: bool) -> Steps:
    uids = chosen(server.selected, words, by_uid=by_uid)
    words.space()
    limit = _unchanged_since(server, words)
    mode = next((sign for sign in "+-" if words.take(sign.encode())), "")
    words.expect(b"FLAGS")
    silent = words.take(b".SILENT")
    words.space()
    flags = frozenset(_flags(words))
    words.end()
    must_write(server.selected)
    if limit is not None:
        server.enable("CONDSTORE")
    progress = Progress(by_uid, silent)
    question = StoreFlags(uids, mode, flags, limit)
    yield from _all_parts(server, question, progress)
    return _result(server, uids, progress)


def changed(
    flags: frozenset[str], mode: str, operand: frozenset[str]
) -> frozenset[str]:
    """What STORE makes of flags. `mode`: "" replaces, "+" adds, "-" removes.

    >>> sorted(changed(frozenset({"a", "b"}), "-", frozenset({"B", "c"})))
    ['a']

    Case makes no difference (RFC 9051 §9, note 1), and the spelling stays.
    """
    named = {flag.lower(): flag for flag in sorted(operand)}
    had = {flag.lower(): flag for flag in sorted(flags)}
    match mode:
        case "+":
            return frozenset((named | had).values())
        case "-":
            return frozenset(flag for key, flag in had.items() if key not in named)
        case _:
            return frozenset(had.get(key, flag) for key, flag in named.items())


# Inside -------------------------------------------------------------------------------


def _all_parts(
    server: "IMAPServer", question: StoreFlags, progress: Progress
) -> Generator[StoreFlags | Pause, Any, None]:
    view, uids = server.selected, question.uids
    for start in range(0, len(uids), AT_ONCE):
        if start:
            yield Pause()
        part = uids[start : start + AT_ONCE]
        before = {uid: view.known(uid) for uid in part}
        answer: Stored = yield replace(question, uids=part)
        progress.count += len(answer.messages)
        for data in answer.messages:
            if data.uid in answer.failed:
                # "It is RECOMMENDED" to tell why (RFC 7162 §3.1.3, example 10)
                progress.failed.append(data.uid)
                server.say(view.flags_response(data.uid))
                continue
            expected = changed(before[data.uid], question.mode, question.flags)
            _tell(server, data, expected, progress)


def _tell(
    server: "IMAPServer", data: MessageData, expected: frozenset[str], how: Progress
) -> None:
    """Tell what the client must know of its own change.

    With CONDSTORE the modseq, "even if the .SILENT suffix is specified" (RFC 7162
    §3.1.3).
    """
    view = server.selected
    modseq = "CONDSTORE" in server.enabled
    view.told(data.uid, expected if how.silent else data.flags, modseq * data.modseq)
    items: list[bytes] = []
    if how.by_uid or modseq or server.rev2:
        items.append(b"UID %d" % data.uid)
    if not how.silent:
        items.append(b"FLAGS %b" % flag_list(view.flags(data.uid, data.flags)))
    if modseq:
        items.append(b"MODSEQ (%d)" % data.modseq)
    if modseq or not how.silent:
        number = view.number(data.uid)
        server.say(b"* %d FETCH (%b)\r\n" % (number, b" ".join(items)))


def _result(server: "IMAPServer", uids: tuple[int, ...], how: Progress) -> Status:
    """ "NO" if others removed some of them meanwhile (RFC 2180 §4.2.2)."""
    view, code = server.selected, ""
    if how.failed:
        numbers = how.failed if how.by_uid else map(view.number, how.failed)
        code = f"MODIFIED {compact(numbers)}"
    if not how.by_uid and how.count < len(uids):
        return replace(EXPUNGED, code=code or EXPUNGED.code)
    return ok("Stored, where nobody else has" if code else "Stored", code)


def _unchanged_since(server: "IMAPServer", words: Scanner) -> int | None:
    """`(UNCHANGEDSINCE 12345) `, if it is there."""
    if not server.options.offers("CONDSTORE") or not words.take(b"(UNCHANGEDSINCE "):
        return None
    modseq = words.number64()
    words.expect(b")")
    words.space()
    return modseq


def _flags(words: Scanner) -> tuple[str, ...]:
    if words.peek(b"("):
        return words.flag_list()
    flags = [words.flag()]
    while not words.at_end:
        words.space()
        flags.append(words.flag())
        if len(flags) > AT_ONCE:
            raise BadSyntax("Too many flags")
    return tuple(flags)
