"""A session as questions and answers: each command with the reply to it.

Goes in: a session of the trace. Comes out: exchanges, in the order of the commands; and
for SMTP the mail transactions (RFC 5321 §3.3).

Rule: replies come in the order of the commands, however they were pipelined; IMAP's
carry the tag of theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from maillab.trace.lines import Line
from maillab.trace.session import Session

SMTP_CONTENT = "CONTENT"  # the verb of what follows 354


@dataclass(slots=True)
class Exchange:
    """One command and what came back; `reply` is "" when nothing did.

    argument  what stands behind the verb; secrets are masked
    content   the octets behind the reply (POP3), or behind 354 (SMTP)
    """

    verb: str
    argument: str = ""
    reply: str = ""
    content: bytes = b""

    @property
    def accepted(self) -> bool:
        """The server said yes: 2yz, 354, +OK, tagged OK."""
        first, second = [*self.reply.split(" ")[:2], "", ""][:2]
        return first[:1] in ("2", "3") or "+OK" in first or second == "OK"

    @property
    def command(self) -> str:
        """Verb and argument."""
        return f"{self.verb} {self.argument}".strip()


def exchanges(session: Session) -> list[Exchange]:
    """What was asked and answered, without the greeting."""
    if session.protocol == "IMAP":
        return _tagged(session.lines)
    return list(_in_order(session.lines))


def _in_order(lines: list[Line]) -> Iterator[Exchange]:
    waiting: list[Exchange] = []
    last = Exchange("")
    for line in lines:
        if line.speaker == "C" and not line.is_content:
            waiting.append(_asked(line))
            yield waiting[-1]
        elif line.speaker == "C":
            if not (waiting and waiting[-1].verb == SMTP_CONTENT):
                waiting.append(Exchange(SMTP_CONTENT))
                yield waiting[-1]
            waiting[-1].content += line.octets
        elif line.is_content:
            last.content += line.octets
        else:
            last = waiting.pop(0) if waiting else Exchange("")
            last.reply = line.text


def _asked(line: Line) -> Exchange:
    verb, _, argument = line.text.partition(" ")
    return Exchange(verb.upper(), argument.strip())


def _tagged(lines: list[Line]) -> list[Exchange]:
    asked: list[Exchange] = []
    by_tag: dict[str, Exchange] = {}  # a tag may be used again when it was answered
    for line in lines:
        tag, _, rest = line.text.partition(" ")
        if line.speaker == "C" and line.what == "command":
            asked.append(_command(rest))
            by_tag[tag] = asked[-1]
        elif line.speaker == "S" and tag in by_tag:
            by_tag[tag].reply = line.text
    return asked


def _command(text: str) -> Exchange:
    verb, _, argument = text.partition(" ")
    if verb.upper() == "UID":
        second, _, argument = argument.partition(" ")
        verb = f"UID {second}"
    return Exchange(verb.upper(), argument)


# SMTP ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transaction:
    """One mail transaction: the envelope that the server accepted, and its content."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    content: bytes
    reply: str

    @property
    def accepted(self) -> bool:
        """The server took responsibility."""
        return self.reply.startswith("2")


def transactions(session: Session) -> list[Transaction]:
    """The transactions that came as far as their content."""
    said = exchanges(session)
    ends = [i for i, x in enumerate(said) if x.verb == SMTP_CONTENT]
    return [_transaction(said[:end], said[end]) for end in ends]


def _transaction(before: list[Exchange], content: Exchange) -> Transaction:
    taken = [x for x in before if x.accepted]
    starts = [i for i, x in enumerate(taken) if x.verb == "MAIL"]
    envelope = taken[starts[-1] :] if starts else []
    mail_from = _path(envelope[0].argument) if envelope else ""
    rcpts = [_path(x.argument) for x in envelope if x.verb == "RCPT"]
    return Transaction(
        mail_from, tuple(dict.fromkeys(rcpts)), content.content, content.reply
    )


def _path(argument: str) -> str:
    """The address in `FROM:<a@b.example> SIZE=7`."""
    return argument.partition("<")[2].partition(">")[0].lower()
