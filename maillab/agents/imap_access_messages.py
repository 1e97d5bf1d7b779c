"""Messages of one open mailbox, as the IMAP engine wants them: part by part.

Goes in: UIDs, and how much of each message is needed. Comes out: `MessageData`.

Rule 1: a part has about `OCTETS` of content or `MESSAGES` messages, so that memory is
        bounded whatever the client asks for.
Rule 2: nothing is read from the store that is not needed.
Rule 3: a message whose octets are gone was expunged by somebody else (RFC 2180 §4.1).
"""

from datetime import datetime, timedelta, timezone

from maillab.protocol import imap_server_events as ask
from maillab.protocol.imap_server_storing import changed
from maillab.store.mailbox_tree import MailboxTree
from maillab.store.mailboxes import Mailbox
from maillab.store.messages import NewMessage, StoredMessage, StoreUnavailable
from maillab.wire.imap_message import MessageData
from maillab.wire.message import DateTime

OCTETS = 1024 * 1024
MESSAGES = 1000
SEEN = frozenset({"\\Seen"})


def read_part(
    tree: MailboxTree, mailbox: Mailbox, question: ask.ReadMessages
) -> ask.Messages:
    """Read as many of the messages as fit into one answer."""
    uids = question.uids
    count = _fitting(mailbox, question) if question.need == "content" else MESSAGES
    part = uids[:count]
    if question.mark_seen:
        messages = mailbox.existing(part)
        mailbox.set_all_flags({m.uid: m.flags | SEEN for m in messages})
    found: list[MessageData] = []
    octets = 0
    for at, uid in enumerate(part):
        if octets > OCTETS:  # of headers: nobody knows before how large they are
            return ask.Messages(tuple(found), uids[at:])
        data = _read(tree, mailbox, uid, question.need)
        if data:
            found.append(data)
            octets += len(data.content)
    return ask.Messages(tuple(found), uids[count:])


def store_flags(mailbox: Mailbox, question: ask.StoreFlags) -> ask.Stored:
    """Change flags, but not of messages that changed after `unchanged_since`."""
    since = question.unchanged_since
    messages = mailbox.existing(question.uids)
    # deviation: what another changed counts, whichever flag it was (RFC 7162 §3.1.12
    # would like to know which); there is one modseq for all flags of a message.
    failed = {m.uid for m in messages if since is not None and m.modseq > since}
    mailbox.set_all_flags(
        {
            message.uid: changed(message.flags, question.mode, question.flags)
            for message in messages
            if message.uid not in failed
        }
    )
    after = mailbox.existing(question.uids)
    return ask.Stored(
        tuple(as_message_data(message, b"") for message in after), frozenset(failed)
    )


def as_message_data(message: StoredMessage, content: bytes) -> MessageData:
    """A stored message as the engine wants it."""
    date, saved = message.internal_date, message.save_date
    internal_date = as_date_time(date)
    return MessageData(
        message.uid,
        message.flags,
        internal_date,
        content,
        size=message.size,
        modseq=message.modseq,
        save_date=internal_date if saved == date else saved and as_date_time(saved),
        email_id=message.email_id,
        thread_id=message.thread_id,
    )


def as_date_time(at: datetime) -> DateTime:
    """A date of the store as the wire wants it."""
    offset = at.utcoffset() or timedelta()
    clock = (at.hour, at.minute, at.second, round(offset.total_seconds() / 60))
    return DateTime(at.year, at.month, at.day, *clock)


def as_datetime(at: DateTime) -> datetime:
    """A date of the wire as the store wants it."""
    zone = timezone(timedelta(minutes=at.zone))
    return datetime(*at.date, at.hour, at.minute, at.second, tzinfo=zone)


def as_new_message(letter: ask.Letter, now: datetime) -> NewMessage:
    """A message that a client brings, as the store wants it."""
    date = as_datetime(letter.date) if letter.date else now
    return NewMessage(letter.content, date, letter.flags, saved=now)


# Inside -------------------------------------------------------------------------------


def _fitting(mailbox: Mailbox, question: ask.ReadMessages) -> int:
    """How many of the messages fit into one part; at least one."""
    size = 0
    for at, uid in enumerate(question.uids[:MESSAGES]):
        message = mailbox.get(uid)
        size += message.size if message else 0
        if at and size > OCTETS:
            return at
    return MESSAGES


def _read(
    tree: MailboxTree, mailbox: Mailbox, uid: int, need: ask.Need
) -> MessageData | None:
    """One message; None when it is no longer there."""
    message = mailbox.get(uid)
    if message is None:
        return None
    try:
        return as_message_data(message, _content(message, need))
    except StoreUnavailable:
        tree.refresh()  # somebody may have removed the file: then this tells
        if mailbox.get(uid) is not None:
            raise
        return None


def _content(message: StoredMessage, need: ask.Need) -> bytes:
    match need:
        case "content":
            return message.content
        case "header":
            return message.blob.read_header()
        case "facts":
            return b""
