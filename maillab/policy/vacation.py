"""An automatic answer while somebody is away (RFC 3834).

Goes in: a message that has been delivered, and who was answered when. Comes out: a
verdict ("accept": answer), and the answer.

Rule 1: never answer a machine: the null reverse-path, owner- and -request addresses,
        mail that says of itself that it is automatic or from a list (RFC 3834 §2).
Rule 2: answer only what is addressed to this person by To or Cc (RFC 3834 §2).
Rule 3: once in so many days to each sender (RFC 3834 §2).
Rule 4: the answer goes to the return path, itself from the null reverse-path, and says
        of itself that it is automatic (RFC 3834 §3 and §4).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from maillab.policy.domains import Ours
from maillab.policy.encoded_words import encode_words
from maillab.policy.recipient_settings import Vacation
from maillab.policy.recipients import resolve, same_address
from maillab.policy.settings import DAY, Settings
from maillab.policy.verdict import Verdict
from maillab.wire.message import Header, field
from maillab.wire.smtp_path import Address

MACHINES = re.compile(
    r"owner-.*|.*-owner|.*-request|.*-bounces?(?:[+=].*)?|mailer-daemon|daemon"
    r"|majordomo|listserv|no[-_.]?reply.*|do[-_.]?not[-_.]?reply.*|bounces?(?:[-+=].*)?"
)
FOR_PEOPLE = ("To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc")
IN_BULK = ("bulk", "list", "junk")
# Words, addresses and comments. A stranger wrote the field: whatever it is, no octet is
# looked at again and again, so a quote that nobody closes goes to the end.
ATOM = r'[^\s<>,;:"()@]+'
QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
WORD = re.compile(rf"(?:{QUOTED}|{ATOM})(?P<domain>@{ATOM})?|\([^()]*\)", re.DOTALL)
MOST_NAMED = 1000  # addresses of one message that are looked at
LONGEST_SUBJECT = 200  # characters of the sender's own subject
MAX_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class VacationFacts:
    """What is known when a message has been delivered.

    account  the address of the account that is away
    last     when this sender was answered last, or None
    now      seconds since the world began
    """

    account: str
    sender: Address
    header: Header
    ours: Ours
    now: float
    last: float | None = None


def judge_vacation(facts: VacationFacts, at: int, settings: Settings) -> Verdict:
    """Answer by `settings.recipients.vacations[at]`?"""
    entry = settings.recipients.vacations[at]
    setting = f"recipients.vacations.{at}"
    for find in (_not_now, _to_a_machine, _from_a_machine, _answered):
        reason = find(facts, entry)
        if reason:
            return Verdict("reject", reason, "", "RFC 3834 §2", "", "vacation", setting)
    if not is_addressed(facts, settings):
        reason = f"{facts.account} is not named in To or Cc"
        return Verdict("reject", reason, "", "RFC 3834 §2", "", "vacation", setting)
    reason = f"{facts.account} is away and {facts.sender} does not know it yet"
    return Verdict("accept", reason, "", "RFC 3834 §2", "", "vacation", setting)


def _not_now(facts: VacationFacts, entry: Vacation) -> str:
    if facts.now < entry.begins:
        return "the vacation has not begun"
    return "the vacation is over" if 0 < entry.ends <= facts.now else ""


def _to_a_machine(facts: VacationFacts, entry: Vacation) -> str:
    if facts.sender.is_null:
        return "the reverse-path is null: nobody wants an answer"
    if MACHINES.fullmatch(facts.sender.local_part.lower()):
        return f"{facts.sender} is no person"
    own = same_address(str(facts.sender)) == same_address(entry.address)
    return "people do not answer themselves" if own else ""


def _from_a_machine(facts: VacationFacts, entry: Vacation) -> str:
    del entry
    for value in facts.header.all("Auto-Submitted"):
        if value.partition(";")[0].strip().lower() != "no":  # RFC 3834 §5
            return f"the message says Auto-Submitted: {value}"
    for value in facts.header.all("Precedence"):
        if value.strip().lower() in IN_BULK:
            return f"the message says Precedence: {value}"
    found = [one.name for one in facts.header if one.name.lower().startswith("list-")]
    return f"the message comes from a list: it has a {found[0]}" if found else ""


def _answered(facts: VacationFacts, entry: Vacation) -> str:
    if facts.last is not None and facts.now - facts.last < entry.days * DAY:
        return f"{facts.sender} got an answer within {entry.days:g} days"
    return ""


def is_addressed(facts: VacationFacts, settings: Settings) -> bool:
    """One of the account's addresses is in To or Cc. A list's address is not one."""
    fields = facts.header.named(*FOR_PEOPLE)
    texts = (text for one in fields for text in addresses_in(one.value))
    some = islice(texts, MOST_NAMED)
    return any(_leads_to_account(text, facts, settings) for text in some)


def addresses_in(value: str) -> Iterator[str]:
    """The addresses of a To or Cc field, without names and comments.

    >>> list(addresses_in('"ann@x" <Ann@ours.example> (bob@x), "a b"@y.example'))
    ['Ann@ours.example', '"a b"@y.example']
    """
    return (found[0] for found in WORD.finditer(value) if found["domain"])


def _leads_to_account(text: str, facts: VacationFacts, settings: Settings) -> bool:
    if same_address(text) == same_address(facts.account):
        return True
    local_part, domain = same_address(text)
    found = resolve(Address(local_part, domain), facts.ours, settings)
    people = found.kind in ("account", "alias", "postmaster")
    return people and facts.account in found.accounts


# The answer ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer needs beside the message: whose it is, its date, its own id."""

    entry: Vacation
    date: str
    message_id: str


def vacation_answer(answer: Answer, sender: Address, header: Header) -> bytes:
    """The whole answer, for the null reverse-path (RFC 3834 §3)."""
    fields = [
        field("From", f"<{answer.entry.address}>"),
        field("To", f"<{sender}>"),
        field("Subject", _subject(answer.entry, header)),
        field("Date", answer.date),
        field("Message-ID", answer.message_id),
        *_thread(header),
        field("Auto-Submitted", "auto-replied"),  # RFC 3834 §3.1.7
        field("MIME-Version", "1.0"),
        field("Content-Type", "text/plain; charset=utf-8"),
        field("Content-Transfer-Encoding", encoding_of(answer.entry.text)),
    ]
    lines = answer.entry.text.splitlines() or [""]
    body = "".join(f"{line}\r\n" for line in lines).encode()
    return b"".join(fields) + b"\r\n" + body


def encoding_of(text: str) -> str:
    """The transfer encoding that a text needs (RFC 2045 §6.2)."""
    return "7bit" if text.isascii() else "8bit"


def _subject(entry: Vacation, header: Header) -> str:
    """ "Auto: " and what it answers to (RFC 3834 §3.1.5)."""
    if entry.subject:
        return encode_words(entry.subject)
    original = (header.get("Subject") or "your message")[:LONGEST_SUBJECT]
    return encode_words(f"Auto: {original}")


def _thread(header: Header) -> list[bytes]:
    """In-Reply-To and References (RFC 3834 §3.1.6, RFC 5322 §3.6.4)."""
    id = header.get("Message-ID")
    if not id:
        return []
    before = header.get("References") or header.get("In-Reply-To") or ""
    ids = [*re.findall(r"<[^<>\s]+>", before)[-MAX_REFERENCES:], id]
    return [field("In-Reply-To", id), field("References", "\r\n ".join(ids))]
