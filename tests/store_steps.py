"""Things to do with a tree of mailboxes, as values: for the tests of the mail store."""

from datetime import timedelta, timezone

from hypothesis import strategies as st

from maillab.store.messages import MailboxError, NewMessage, StoreUnavailable
from tests.mail_disks import NOW

NAMES = ("INBOX", "Sent", "a", "a/b.c", "a/b.c/d", "Entwürfe & mehr", "b")
FLAGS = ("\\Seen", "\\Deleted", "\\Draft", "$Junk", "a-keyword", "\\Flagged")
LETTERS = (
    b"Subject: one\r\nMessage-ID: <1@a>\r\n\r\nHello\r\n",
    b"Subject: two\r\nReferences: <1@a>\r\n\r\n\x00\xff bare\nlf\r\n",
    b"no header\r\n",
    b"Subject: long\r\nX-Long: " + b"x" * 10_000 + b"\r\n\r\nbody\r\n",
    b"",
)
ZONE = timezone(timedelta(hours=-3, minutes=-30))


def new(number, flags=()):
    date = (NOW + timedelta(hours=number)).astimezone(ZONE)
    return NewMessage(LETTERS[number], date, flags)


def do(tree, order):
    """Do it. What a tree refuses is said; what the disk refuses is raised."""
    verb, *rest = order
    try:
        return VERBS[verb](tree, *rest)
    except StoreUnavailable:
        raise
    except MailboxError as error:
        return error.code


def some(box, numbers):
    """UIDs of messages that are there."""
    return [box.uids[n % box.count] for n in numbers if box.count]


def append(tree, name, numbers, flags):
    return tree.require(name).append_all([new(n, flags) for n in numbers])


def store(tree, name, numbers, flags):
    box = tree.require(name)
    box.set_all_flags(dict.fromkeys(some(box, numbers), frozenset(flags)))


def expunge(tree, name, numbers, _):
    box = tree.require(name)
    return box.expunge(some(box, numbers))


def transfer(verb):
    def run(tree, name, numbers, target):
        box = tree.require(name)
        how = getattr(tree, verb)
        return how(box, some(box, numbers), tree.require(target), NOW)

    return run


def replace(tree, name, numbers, target):
    box = tree.require(name)
    for uid in some(box, numbers[:1]):
        return tree.replace(box, uid, tree.require(target), new(numbers[0]))
    return None


VERBS = {
    "append": append,
    "store": store,
    "expunge": expunge,
    "copy": transfer("copy"),
    "move": transfer("move"),
    "replace": replace,
    "claim": lambda tree, name: tree.require(name).claim_recent(),
    "create": lambda tree, name: tree.create(name, "\\Archive").name,
    "delete": lambda tree, name: tree.delete(name),
    "rename": lambda tree, old, to: tree.rename(old, to),
    "subscribe": lambda tree, name: tree.subscribe(name),
    "unsubscribe": lambda tree, name: tree.unsubscribe(name),
}

_names = st.sampled_from(NAMES)
_flags = st.lists(st.sampled_from(FLAGS), max_size=3, unique=True)
_numbers = st.lists(st.integers(0, len(LETTERS) - 1), min_size=1, max_size=3)
_messages = st.sampled_from(["append", "append", "store", "store", "expunge"])
_two = st.sampled_from(["copy", "move", "replace"])
_tree = st.sampled_from(["create", "delete", "subscribe", "unsubscribe", "claim"])

ORDERS = (
    st.tuples(_messages, st.just("INBOX") | _names, _numbers, _flags)
    | st.tuples(_two, st.just("INBOX") | _names, _numbers, _names)
    | st.tuples(_tree, _names)
    | st.tuples(st.just("rename"), _names, _names)
)

SCRIPT = (
    ("append", "INBOX", [0, 1, 3], ["\\Seen", "$Junk"]),
    ("append", "INBOX", [2], []),
    ("create", "a/b.c"),
    ("store", "INBOX", [0, 1], ["\\Deleted", "a-keyword"]),
    ("copy", "INBOX", [0, 3], "a/b.c"),
    ("move", "INBOX", [1, 3], "Sent"),
    ("store", "a/b.c", [1], ["\\Seen"]),
    ("expunge", "INBOX", [0], []),
    ("rename", "a", "b"),
    ("append", "b/b.c", [4, 0], []),
    ("replace", "Sent", [0], "INBOX"),
    ("claim", "INBOX"),
    ("delete", "b/b.c"),
    ("create", "b/b.c"),
    ("unsubscribe", "Trash"),
)
