"""Everything that an SMTP server says, by name: code, enhanced code, text, RFC section.

Goes in: a name, and facts for its text. Comes out: a `Reply`.

    phrases.reply("relaying-denied", address=path)  ->  550 5.7.1 Relaying denied

Facts that texts may have: {hostname} {client} (the client's IP address) {client_name}
{user} everywhere; {address} {verb} {limit} {detail} {size} {zone} and others where they
are said: {date} in the banner, {queue_id} {message} {duration} for a message that was
taken. What is not known is left out.

Rule 1: handlers and agents have no texts of their own, so a personality can say
        everything in its own way, by overriding phrases.
Rule 2: an enhanced code is in all but 220 to a connection, 334, 354, and the answers to
        EHLO and HELO (RFC 2034 §3).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maillab.protocol.smtp_phrases_table import ROWS, Row
from maillab.wire.smtp import Reply

FACT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One reply. `text` may have several lines; `why` is for the trace only.

    >>> Phrase(250, "2.1.0", "{address} ok", "RFC 5321 §3.3").reply({"address": "<>"})
    Reply(code=250, enhanced='2.1.0', lines=('<> ok',), why='')
    """

    code: int
    enhanced: str
    text: str
    rfc: str
    why: str = ""

    def reply(self, facts: Mapping[str, object]) -> Reply:
        """Fill in the facts."""

        def fact(name: re.Match[str]) -> str:
            return str(facts.get(name[1], ""))

        text = FACT.sub(fact, self.text)
        why = FACT.sub(fact, self.why)
        lines = text.split("\n")
        return Reply(self.code, self.enhanced, *lines, why=why, ref=self.rfc)


def _phrase(row: Row) -> Phrase:
    return Phrase(*row[1:5], why=row[5] if len(row) == 6 else "")


PHRASES: Mapping[str, Phrase] = {row[0]: _phrase(row) for row in ROWS}


class Phrases:
    """The phrasebook of one session.

    >>> phrases = Phrases({"noop": Phrase(250, "", "OK", "RFC 5321 §4.1.1.9")})
    >>> str(phrases.reply("noop")), str(phrases.reply("need-ehlo"))
    ('250 OK', '503 5.5.1 Send EHLO first')
    """

    def __init__(
        self, overrides: Mapping[str, Phrase] | None = None, **facts: object
    ) -> None:
        self.facts: dict[str, object] = facts  # that hold for the whole session
        self._overrides = overrides or {}

    def reply(self, name: str, /, **facts: object) -> Reply:
        """The reply of this name. A name that nobody knows is our own fault."""
        phrase = self._overrides.get(name) or PHRASES.get(name) or PHRASES["no-phrase"]
        return phrase.reply(self.facts | facts | {"name": name})
