r"""What a reply of an IMAP server means, without what each server may choose.

Goes in: replies. Comes out: `Outcome`, a dictionary of facts that two servers must
share. Not compared, and nothing else:

- texts of statuses, for people (RFC 3501 §7.1);
- the values of UIDVALIDITY and mod-sequences: they only grow (§2.3.1.1, RFC 7162 §3);
- the order of untagged responses, of the items in a FETCH, of flags and of UIDs in
  sets; and whether a string is an atom, quoted or a literal (§4.3, §7);
- the numbering within one reply: a FETCH before or after an EXPUNGE has another number,
  so each message has a name of its own here, given when it is first heard of;
- EXISTS when it says nothing new (only the last value counts), and FLAGS and
  HIGHESTMODSEQ but for those of a SELECT: servers say them when they like;
- \Recent and RECENT: one session of several gets them (§2.3.2); SEARCH RECENT is
  compared where there is only one;
- keywords in the FLAGS of a SELECT that only Dovecot knows: none of the messages has
  them any more (§7.2.6);
- case where MIME has none: types, encodings, names of parameters (RFC 2045 §5.1);
- the zone of INTERNALDATE: a Maildir keeps the instant only (§2.3.3); and some seconds
  of it where no client gave one: the servers are asked one after the other;
- response codes of NO, if one server gives none (RFC 5530 §3: they are optional), and
  MAILBOXID, BADCHARSET's list, CLIENTBUG, that only one of them has;
- the UID in a FETCH when nobody asked (§7.4.2 allows any item);
- attributes of LIST that were not asked for (RFC 5258 §4, RFC 6154 §2), if one server
  gives none.
"""

import re
from datetime import UTC, datetime

from tests.interop.imap_sequences import NEWEST_OF_INBOX, Step
from tests.interop.imap_wire import Reply, Response, Value, Wire

Outcome = dict[str, object]

BEGAN = datetime.now(UTC).replace(microsecond=0)
DATE = "%d-%b-%Y %H:%M:%S %z"
HIDDEN = ("UIDVALIDITY", "HIGHESTMODSEQ")
UNCOMPARED = ("MAILBOXID", "CLIENTBUG", "CAPABILITY")
SAID_ANY_TIME = ("FLAGS", "code PERMANENTFLAGS", "code HIGHESTMODSEQ")
NEWEST = " [HIGHESTMODSEQ *]"
EXTRAS = {"\\haschildren", "\\hasnochildren"}
USES = {"\\archive", "\\drafts", "\\junk", "\\sent", "\\trash"}


def numbers(text: object) -> tuple[int, ...]:
    """The members of a set, in order of size. `*` is not for servers."""
    found: set[int] = set()
    for part in str(text).split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def text(value: Value) -> str:
    """A string, in whatever form it came."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def words(value: Value) -> tuple[str, ...]:
    """A list of flags or attributes."""
    assert isinstance(value, tuple), value
    return tuple(sorted(text(one).lower() for one in value))


def status(answer: Response) -> str:
    """The word and the code of a status response."""
    if not answer.code:
        return answer.status
    name, *more = answer.code
    name = text(name).upper()
    if name in UNCOMPARED:
        return answer.status
    if name in HIDDEN:
        more = ["*"]
    elif name in ("APPENDUID", "COPYUID"):
        more = ["*", *(numbers(one) for one in more[1:])]
    elif name == "MODIFIED":
        more = [numbers(more[0])]
    elif name == "PERMANENTFLAGS":
        more = [words(more[0])]
    elif name == "BADCHARSET":
        more = []
    return f"{answer.status} [{' '.join(map(str, (name, *more)))}]"


class Listener:
    """Follows one connection: which messages there are, and what was said of them."""

    def __init__(self) -> None:
        self._messages: list[int] = []
        self._known = 0

    def outcome(self, command: bytes, reply: Reply) -> Outcome:
        """What this reply says."""
        found: Outcome = {"tagged": status(reply.tagged)}
        verb = command.split(b" ")[0].upper()
        if verb in (b"SELECT", b"EXAMINE"):
            self._messages = []
            self._known = 0
        for one in reply.untagged:
            self._note(one, found)
        if "exists" in found:
            found["exists"] = len(self._messages)
        return found

    def _note(self, one: Response, found: Outcome) -> None:
        if one.status:
            if one.code:
                code = text(one.code[0]).upper()
                if code not in UNCOMPARED:
                    found[f"code {code}"] = status(one)
            elif one.status == "BYE":
                found["BYE"] = ""
            return
        first, *rest = one.data
        if str(first).isdigit():
            self._numbered(int(str(first)), rest, found)
        else:
            self._named(str(first).upper(), rest, found)

    def _numbered(self, number: int, rest: list[Value], found: Outcome) -> None:
        match str(rest[0]).upper():
            case "EXISTS":
                assert number >= len(self._messages), "EXISTS took messages away"
                while len(self._messages) < number:
                    self._known += 1
                    self._messages.append(self._known)
                found["exists"] = number
            case "RECENT":
                pass
            case "EXPUNGE":
                gone = self._messages.pop(number - 1)
                found[f"expunged {gone}"] = True
            case "FETCH":
                message = self._messages[number - 1]
                for name, value in items(rest[1]):
                    key = f"fetch {message} {name}"
                    found[key] = value
            case other:
                raise AssertionError(f"what is {other}?")

    def _named(self, name: str, rest: list[Value], found: Outcome) -> None:
        match name:
            case "LIST" | "LSUB":
                flags, delimiter, box, *more = rest
                key = f"{name} {text(box)}"
                found[key] = (words(flags), text(delimiter), *more)
            case "STATUS":
                found[f"STATUS {text(rest[0])}"] = pairs(rest[1])
            case "SEARCH":
                found[name] = searched(rest)
            case "ESEARCH":
                found[name] = extended(rest)
            case "FLAGS":
                found[name] = words(rest[0])
            case "VANISHED":
                self._vanished(rest, found)
            case "ENABLED":
                found[name] = words(tuple(rest))
            case _:
                found[name] = tuple(rest)

    def _vanished(self, rest: list[Value], found: Outcome) -> None:
        key = "VANISHED " + (words(rest[0])[0] if len(rest) > 1 else "")
        before = found.get(key, ())
        found[key] = tuple(sorted({*before, *numbers(rest[-1])}))
        if len(rest) == 1:  # each was an EXPUNGE (RFC 7162 §3.2.10.2): name all anew
            left = len(self._messages) - len(numbers(rest[0]))
            self._messages = list(range(self._known + 1, self._known + left + 1))
            self._known += left


def items(value: Value) -> list[tuple[str, object]]:
    """What a FETCH says of a message."""
    assert isinstance(value, tuple), value
    names, values = value[::2], value[1::2]
    both = zip(names, values, strict=True)
    return [(section(str(name)), item(str(name), one)) for name, one in both]


def section(name: str) -> str:
    """BODY[HEADER.FIELDS ("To")] and BODY[header.fields (TO)] are the same."""
    return name.upper().replace('"', "")


def item(name: str, value: Value) -> object:
    match name.upper():
        case "FLAGS":
            return tuple(one for one in words(value) if one != "\\recent")
        case "MODSEQ":
            return "*"
        case "BODY" | "BODYSTRUCTURE":
            return structure(value)
        case "INTERNALDATE":
            assert isinstance(value, bytes), value
            return datetime.strptime(value.decode().strip(), DATE).astimezone(UTC)
        case _:
            return value


def structure(value: Value) -> Value:
    """A body structure; a type, an encoding and names of parameters in lower case."""
    assert isinstance(value, tuple), value
    if isinstance(value[0], tuple):  # multipart
        parts = [one for one in value if is_part(one)]
        subtype, *rest = value[len(parts) :]
        return (
            *map(structure, parts),
            lowered(subtype),
            *map(named, rest[:1]),
            *rest[1:],
        )
    kind, subtype, parameters, *rest = value
    rest[2] = lowered(rest[2])
    if lowered(kind) == b"message" and len(rest) > 5 and is_part(rest[5]):
        rest[5] = structure(rest[5])
    return (lowered(kind), lowered(subtype), named(parameters), *rest)


def is_part(value: Value) -> bool:
    """A part begins with another one, or its third word is its parameters."""
    if not isinstance(value, tuple) or len(value) < 3:
        return False
    return isinstance(value[0], tuple) or not isinstance(value[2], bytes)


def lowered(value: Value) -> Value:
    return value.lower() if isinstance(value, bytes) else value


def named(value: Value) -> Value:
    """Parameters: name, value, name, value."""
    if not isinstance(value, tuple):
        return value
    return tuple(one if at % 2 else lowered(one) for at, one in enumerate(value))


def pairs(value: Value) -> dict[str, str]:
    """What STATUS says, without the values that are hidden."""
    assert isinstance(value, tuple), value
    names = [str(one).upper() for one in value[::2]]
    return {
        name: "*" if name in HIDDEN else str(one)
        for name, one in zip(names, value[1::2], strict=True)
    }


def searched(rest: list[Value]) -> tuple[object, ...]:
    """Numbers in any order; the mod-sequence is there or not."""
    hits = sorted(int(str(one)) for one in rest if not isinstance(one, tuple))
    return (*hits, *("MODSEQ" for one in rest if isinstance(one, tuple)))


def extended(rest: list[Value]) -> dict[str, object]:
    """An ESEARCH without its tag (RFC 4731 §3.1)."""
    plain = [str(one).upper() for one in rest if not isinstance(one, tuple)]
    found: dict[str, object] = {"UID": "UID" in plain}
    plain = [one for one in plain if one != "UID"]
    for name, value in zip(plain[::2], plain[1::2], strict=True):
        found[name] = "*" if name == "MODSEQ" else numbers(value)
    return found


Difference = tuple[str, str, str]


def differences(command: bytes, ours: Outcome, theirs: Outcome) -> list[Difference]:
    """What is not the same: its name, ours, theirs."""
    found: list[Difference] = []
    for key in sorted({*ours, *theirs}):
        one, other = ours.get(key), theirs.get(key)
        if same_moment(one, other):
            continue
        if one != other and not may_differ(command, key, one, other):
            found.append((key, repr(one), repr(other)))
    return found


def same_moment(one: object, other: object) -> bool:
    """Two dates that the clock gave; those that a client gave are long past."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        by_clock = min(one, other) >= BEGAN
        return by_clock and abs((one - other).total_seconds()) <= 5
    return False


def may_differ(command: bytes, key: str, one: object, other: object) -> bool:
    """See the beginning of this file."""
    if key == "tagged":
        some, more = (str(said).replace(NEWEST, "") for said in (one, other))
        refused = some[:2] == more[:2] == "NO" and "NO" in (some, more)
        return refused or (some == more and b"EXPUNGE" not in command)
    if key.endswith(" UID") and None in (one, other):
        return b"UID" not in command.upper()
    if key in SAID_ANY_TIME:
        opened = command.upper().startswith((b"SELECT", b"EXAMINE"))
        return not opened or flags_of(one) <= flags_of(other) != set()
    if (
        key.startswith(("LIST ", "LSUB "))
        and isinstance(one, tuple)
        and isinstance(other, tuple)
    ):
        return same_listed(one, other)
    return False


def flags_of(value: object) -> set[str]:
    """The flags in a FLAGS or PERMANENTFLAGS."""
    return set(re.findall(r"[$\w]+", str(value)))


def same_listed(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Only attributes that one of them did not think of are different."""
    some, more = set(map(str, one[0])), set(map(str, other[0]))
    for group in (EXTRAS, USES):
        if not some & group or not more & group:
            some, more = some - group, more - group
    return some == more and one[1:] == other[1:]


class Player:
    """Plays steps at one server, as one user with some connections."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._login = f'LOGIN {user} "{password}"'.encode()
        self._port = port
        self._open: dict[int, tuple[Wire, Listener]] = {}
        self._last = {"uidvalidity": 1, "modseq": 1, "next": 2}

    def prepare(self, *commands: bytes) -> None:
        """Say what is not compared."""
        for command in commands:
            reply = self._connection(0)[0].say(command)
            assert reply.tagged.status == "OK", reply.raw

    def play(self, step: Step) -> Outcome:
        """Say it, and tell what came of it."""
        wire, listener = self._connection(step.connection)
        command = step.command
        for name, value in self._last.items():
            command = command.replace(b"$" + name.encode(), b"%d" % value)
        self.reply = wire.say(command)
        if step.command == NEWEST_OF_INBOX:
            self._remember(self.reply.raw)
        return listener.outcome(command, self.reply)

    def _connection(self, number: int) -> tuple[Wire, Listener]:
        if number not in self._open:
            wire = Wire(self._port)
            self._open[number] = wire, Listener()
            reply = wire.say(self._login)
            assert reply.tagged.status == "OK", reply.raw
        return self._open[number]

    def _remember(self, raw: bytes) -> None:
        found = dict(re.findall(rb"(UIDVALIDITY|HIGHESTMODSEQ) (\d+)", raw))
        modseq = int(found[b"HIGHESTMODSEQ"])
        self._last = {
            "uidvalidity": int(found[b"UIDVALIDITY"]),
            "modseq": modseq,
            "next": modseq + 1,
        }

    def close(self) -> None:
        """Hang up."""
        for wire, _ in self._open.values():
            wire.close()
