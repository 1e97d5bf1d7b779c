"""Distribution lists: who may write, and what the list's copy looks like.

Goes in: a list, who writes, a message. Comes out: a verdict; the members, the
reverse-path and the header fields of the copy.

Rule 1: a list is not an alias: its copies have its own reverse-path, so that bounces
        go to whoever looks after the list and not to who wrote (RFC 5321 §3.9.2).
Rule 2: a report (null reverse-path) is never handed to the members.
Rule 3: everybody gets one copy, the list itself none.
Rule 4: a list in a list: the fields of the outer one are replaced (RFC 2369 §5).
"""

from dataclasses import dataclass

from maillab.policy import reply_names
from maillab.policy.domains import Ours, find_domain
from maillab.policy.recipient_settings import MailingList
from maillab.policy.recipients import once_each, same_address
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.wire.message import Header, field, header_length, prepend
from maillab.wire.smtp_path import Address

LIST_FIELDS = (
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Precedence",
)


@dataclass(frozen=True, slots=True)
class Post:
    """Somebody writes to a list. `user` is the login, or ""."""

    sender: Address
    user: str
    ours: Ours


def judge_post(post: Post, at: int, settings: Settings) -> Verdict:
    """May this message go to the members of `settings.recipients.lists[at]`?"""
    entry = settings.recipients.lists[at]
    path = f"recipients.lists.{at}"
    if post.sender.is_null:
        reason = f"a report is not for the members of {entry.address}"
        return _closed(reason, f"{path}.mode")
    if entry.login and not post.user:
        reason = f"{entry.address} takes mail from clients that log in only"
        name = reply_names.AUTH_REQUIRED
        return Verdict(
            "reject",
            reason,
            "5.7.0",
            "RFC 4954 §6",
            name,
            "list login",
            f"{path}.login",
        )
    if _may_write(post, entry, settings):
        reason = f"{post.sender} may write to {entry.address} ({entry.mode})"
        name = reply_names.RECIPIENT_OK
        rfc = "RFC 5321 §3.9.2"
        return Verdict("accept", reason, "2.1.5", rfc, name, "list", f"{path}.mode")
    return _closed(_why_closed(post, entry), f"{path}.mode")


def _may_write(post: Post, entry: MailingList, settings: Settings) -> bool:
    sender = _person(str(post.sender), post.ours, settings)
    match entry.mode:
        case "public":
            return True
        case "members":
            members = (_person(one, post.ours, settings) for one in entry.members)
            return sender in members
        case "announcements":
            return sender == _person(owner_of(entry), post.ours, settings)
        case "domain":
            return sender[1] == _person(entry.address, post.ours, settings)[1]
        case "server":
            return find_domain(post.sender.domain, post.ours, settings).is_ours


def _person(text: str, ours: Ours, settings: Settings) -> tuple[str, str]:
    """An address as it compares; alias domains are what they stand for."""
    local_part, domain = same_address(text)
    return local_part, find_domain(domain, ours, settings).means


def _why_closed(post: Post, entry: MailingList) -> str:
    who = {
        "members": "only its members",
        "announcements": f"only {owner_of(entry)}",
        "domain": "only addresses of its own domain",
        "server": "only addresses of this server",
    }
    return f"{who[entry.mode]} may write to {entry.address}, not {post.sender}"


def _closed(reason: str, setting: str) -> Verdict:
    """ "Not authorized to send to this list" is X.7.2 (RFC 3463 §3.8)."""
    name = reply_names.LIST_CLOSED
    return Verdict("reject", reason, "5.7.2", "RFC 3463 §3.8", name, "list", setting)


# The list's copy ----------------------------------------------------------------------


def owner_of(entry: MailingList) -> str:
    """Who gets the bounces: the owner, or owner-NAME (RFC 5321 §3.9.2)."""
    return entry.owner or f"owner-{entry.address}"


def members_for(entry: MailingList, sender: Address) -> tuple[str, ...]:
    """Everybody who gets a copy, each once, in the order of the list."""
    without = (entry.address,) if entry.own_copy else (entry.address, str(sender))
    return once_each(entry.members, *without)


def list_copy(content: bytes, entry: MailingList) -> bytes:
    """The message with the fields of the list, and without those of another."""
    return prepend(without_fields(content, LIST_FIELDS), *list_fields(entry))


def list_fields(entry: MailingList) -> tuple[bytes, ...]:
    """What mail programs need to know of a list (RFC 2919 §3, RFC 2369 §3).

    >>> entry = MailingList("staff@ours.example", ())
    >>> list_fields(entry)[0]
    b'List-Id: <staff.ours.example>\\r\\n'
    """
    local_part, _, domain = entry.address.rpartition("@")
    ask = f"mailto:{local_part}-request@{domain}?subject="
    # RFC 2369 §3.4: "the list does not allow posting" is NO.
    post = "NO" if entry.mode == "announcements" else f"<mailto:{entry.address}>"
    return (
        field("List-Id", f"<{local_part}.{domain}>"),
        field("List-Post", post),
        field("List-Owner", f"<mailto:{owner_of(entry)}>"),
        field("List-Unsubscribe", f"<{ask}unsubscribe>"),
        field("Precedence", "list"),
    )


def without_fields(content: bytes, names: tuple[str, ...]) -> bytes:
    """A message without its fields of these names.

    >>> without_fields(b"A: 1\\r\\nB: 2\\r\\n\\r\\nHi", ("a",))
    b'B: 2\\r\\n\\r\\nHi'
    """
    header = Header.from_wire(content)
    unwanted = {one.octets for one in header.named(*names)}
    if not unwanted:
        return content
    kept = b"".join(one.octets for one in header if one.octets not in unwanted)
    return kept + b"\r\n" + content[header_length(content) :]
