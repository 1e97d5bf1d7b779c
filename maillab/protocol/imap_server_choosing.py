"""Which messages a command means, may they be changed, were all of them still there.

Goes in: the set in the command, the session's view. Comes out: UIDs, ascending; at the
end of the command OK, or NO when others have removed some of them.

Rule: `$` is the result of the last SEARCH that saved it (RFC 5182 §2.1). What is no
      longer there is left out of it, without a word.
"""

from maillab.errors import Refused
from maillab.protocol.imap_server_view import View
from maillab.wire.imap import BadSyntax, Scanner, Status, no, ok
from maillab.wire.imap_sets import SequenceSet

READ_ONLY = no("The mailbox was opened by EXAMINE: nothing can be changed")
EXPUNGED = no("Some of the messages no longer exist", "EXPUNGEISSUED")  # RFC 5530 §3


def chosen(view: View, words: Scanner, *, by_uid: bool) -> tuple[int, ...]:
    """The UIDs that a set means; "a non-existent unique identifier is ignored"."""
    words.space()
    if words.take(b"$"):
        return saved(view)
    return members(view, SequenceSet.scan(words), by_uid=by_uid)


def members(view: View, some: SequenceSet, *, by_uid: bool) -> tuple[int, ...]:
    """The UIDs of the messages in a set of UIDs, or of message numbers."""
    if by_uid:
        return tuple(some.chosen(view.uids))
    if some.exceeds(view.count):
        raise BadSyntax(f"There are only {view.count} messages")
    numbers = some.chosen(range(1, view.count + 1))
    return tuple(view.uids[number - 1] for number in numbers)


def saved(view: View) -> tuple[int, ...]:
    """The UIDs of `$` that the session still has."""
    return tuple(uid for uid in view.saved if view.exists(uid))


def must_write(view: View) -> None:
    """Raises Refused where EXAMINE has opened the mailbox (RFC 3501 §6.3.2)."""
    if view.read_only:
        raise Refused(READ_ONLY)


def complete(uids: tuple[int, ...], count: int, text: str, *, by_uid: bool) -> Status:
    """ "NO" if others removed some of them meanwhile (RFC 2180 §4.1.2)."""
    return ok(text) if by_uid or count == len(uids) else EXPUNGED
