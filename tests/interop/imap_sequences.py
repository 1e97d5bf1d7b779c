"""Seeded IMAP sessions: commands with a plan, so that most of them make sense.

Goes in: a seed. Comes out: steps, each for one of two connections. `$uidvalidity` and
`$modseq` stand for what the server said last, `$next` for one more.
"""

import random
from dataclasses import dataclass

from tests.interop.odd_messages import MESSAGES

LENGTH = 40
NEWEST_OF_INBOX = b"STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)"
BOXES = ("INBOX", "Work", "Work/old", "Sent", "lists/mail", "&APw-ber", "two words")
LEAVES = ("Work/old", "lists/mail", "&APw-ber", "two words")
STAYING = ("INBOX", "Drafts", "Junk", "Trash")
FLAGS = (
    "\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "\\Draft", "$Forwarded", "Own",
)  # fmt: skip
SETS = ("1", "2", "1:*", "2:3", "*", "1,3:*", "4:2", "*:2", "99", "1:99", "3,1,3")
UIDS = ("1:*", "1", "2", "3:5", "*", "999:*", "1,4,6", "5:4", "998:999")
FIELDS = ("From", "To", "Subject", "X-Twice", "References", "X-None", "Content-Type")
PARTS = ("1", "2", "1.1", "1.2", "2.1", "3", "3.1", "3.2", "4", "1.1.1", "3.1.1")
FETCHES = (
    "FLAGS", "UID", "INTERNALDATE",
    "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "ALL", "FAST", "FULL", "RFC822",
    "RFC822.HEADER", "RFC822.TEXT", "BODY[]", "BODY.PEEK[]", "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]", "BODY[TEXT]<5.20>", "BODY.PEEK[]<0.1000000>",
    "BODY.PEEK[]<99999.5>", "(UID FLAGS)", "(ENVELOPE BODYSTRUCTURE)",
    "(FLAGS BODY[HEADER])", "MODSEQ", "PREVIEW", "PREVIEW (LAZY)", "BINARY.SIZE[1]",
    "BINARY.PEEK[1]", "BINARY.PEEK[2]", "BINARY.SIZE[2]", "BINARY.PEEK[1]<2.6>",
    "(FLAGS UID RFC822.SIZE INTERNALDATE)",
)  # fmt: skip
KEYS = (
    "ALL", "SEEN", "UNSEEN", "FLAGGED", "UNFLAGGED", "ANSWERED", "UNANSWERED",
    "DELETED", "UNDELETED", "DRAFT", "UNDRAFT", "KEYWORD Own", "UNKEYWORD Own",
    "KEYWORD $Forwarded", "SUBJECT plain", "SUBJECT Gr&uuml;", "FROM ann", 'TO "ben@"',
    "CC old", "BCC hidden", "BODY tea", "TEXT zebra", 'HEADER X-Twice ""',
    "HEADER X-Twice two", "HEADER X-None x", "LARGER 500", "SMALLER 500",
    "SINCE 6-Jan-2026", "BEFORE 6-Jan-2026", "ON 7-Jan-2026", "SENTSINCE 5-Feb-2026",
    "SENTBEFORE 5-Feb-2026", "SENTON 4-Feb-2026", "UID 2:4", "1:3", "*", "NOT SEEN",
    "NOT 2", "OR SEEN FLAGGED", "OR (SUBJECT re FROM ann) DELETED", "OLDER 86400",
    "YOUNGER 86400", "MODSEQ 1", "BODY inner", "TEXT J\xfcrgen", 'SUBJECT "is folded"',
    "SUBJECT caf", "HEADER Subject folded", "BODY K\xf6ln", "BODY \"<p>\"", "$",
    "NOT (SEEN OR DELETED FLAGGED)", "SAVEDSINCE 1-Jan-2000", "UID *", "UID 998:*",
)  # fmt: skip
OF_ONE = ("NEW", "OLD", "RECENT")  # with two sessions nobody knows whose they are
SORTS = (
    "ARRIVAL", "DATE", "SUBJECT", "FROM", "TO", "CC", "SIZE", "REVERSE DATE",
    "REVERSE SIZE", "SUBJECT REVERSE DATE", "FROM SUBJECT",
)  # fmt: skip
RETURNS = ("MIN", "MAX", "COUNT", "ALL", "MIN MAX", "MIN MAX COUNT ALL", "", "SAVE")
STATUSES = (
    "MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "HIGHESTMODSEQ",
    "MESSAGES UNSEEN", "MESSAGES UIDNEXT UNSEEN SIZE",
)  # fmt: skip
LISTS = (
    '"" *', '"" %', '"" ""', '"" Work/%', "Work *", '"" INBOX', '"" inbox',
    '"" nothing', '(SUBSCRIBED) "" *', '(SPECIAL-USE) "" *',
    '"" * RETURN (SPECIAL-USE)', '"" * RETURN (SUBSCRIBED CHILDREN)',
    '"" (INBOX Work/% Sent)', '"" % RETURN (STATUS (MESSAGES UNSEEN))',
    '(SUBSCRIBED RECURSIVEMATCH) "" %', '"" "two words"', '"" *old', '"" &APw-*',
    "Work/ %",
)  # fmt: skip
WRONG = (
    "", "XYZZY", "FETCH", "FETCH 1", "FETCH x FLAGS", "FETCH 0 FLAGS",
    "FETCH 1 NONSENSE", "STORE 1 +FLAGS (\\Nonsense)", "STORE 1 FLAGS (\\Recent)",
    "SEARCH", "SEARCH NONSENSE", "SEARCH CHARSET X-NONE SUBJECT x", "UID", "UID NOOP",
    "UID FETCH x FLAGS", "COPY 1", "COPY 1 nowhere", "MOVE 1 nowhere", "STATUS INBOX",
    "STATUS INBOX (NONSENSE)", "STATUS nowhere (MESSAGES)", "SELECT nowhere",
    "LOGIN a b", "CREATE INBOX", "DELETE INBOX", "DELETE nowhere",
    "RENAME nowhere there", "NOOP x", "RENAME Work INBOX", 'LIST "" ',
    "SORT (NONSENSE) UTF-8 ALL", "SORT () UTF-8 ALL", "THREAD NONSENSE UTF-8 ALL",
    "FETCH 1 BODY[1", "FETCH 1 (FLAGS", "ENABLE", "SEARCH (",
    "FETCH 1 BODY[HEADER.FIELDS]", "EXAMINE nowhere", "AUTHENTICATE NONSENSE", "CREATE",
    "SEARCH SINCE 31-Nonsense-2026", "FETCH 1 BODY[MIME]", "FETCH 1 BODY.PEEK[0]",
    "STORE 1 (FLAGS) x", "COPY", "APPEND nowhere {2+}\r\nxy", "STARTTLS", "SUBSCRIBE",
    "UNSUBSCRIBE never-was", "IDLE x",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A command, and who says it."""

    connection: int
    command: bytes

    def __str__(self) -> str:
        shown = self.command.decode("latin-1")
        return f"C{self.connection + 1}: {shown[:90]}{'…' * (len(shown) > 90)}"


def quoted(name: str) -> str:
    """A mailbox name in a command."""
    return f'"{name}"' if " " in name else name


def appended(dice: random.Random, box: str) -> bytes:
    """An APPEND of one or two messages."""
    words = [f"APPEND {quoted(box)}".encode()]
    for _ in range(1 if dice.random() < 0.8 else 2):
        name = dice.choice(list(MESSAGES))
        flags = dice.sample(FLAGS, dice.choice((0, 0, 1, 2)))
        if flags or dice.random() < 0.3:
            words.append(f"({' '.join(flags)})".encode())
        day = dice.randint(4, 9)
        if dice.random() < 0.9:
            words.append(f'"{day:2}-Jan-2026 {day + 8:02}:30:00 +0100"'.encode())
        words.append(b"{%d+}\r\n" % len(MESSAGES[name]) + MESSAGES[name])
    return b" ".join(words)


class Plan:
    """Makes commands."""

    def __init__(self, dice: random.Random, *, qresync: bool, both: bool) -> None:
        self.dice = dice
        self.keys = KEYS if both else KEYS + OF_ONE
        self.qresync = qresync
        self.kinds = (
            (self.fetch, 26), (self.store, 12), (self.search, 14), (self.sort, 5),
            (self.thread, 3), (self.append, 7), (self.names, 12), (self.select, 8),
            (self.transfer, 7), (self.status, 5), (self.wrong, 6), (self.others, 5),
            (self.modseqs, 6), (self.structure, 6),
        )  # fmt: skip

    def command(self) -> bytes:
        """The next one."""
        kinds = [kind for kind, _ in self.kinds]
        weights = [weight for _, weight in self.kinds]
        made = self.dice.choices(kinds, weights)[0]()
        return made if isinstance(made, bytes) else made.encode()

    def one(self, *some: str) -> str:
        return self.dice.choice(some)

    def box(self) -> str:
        return quoted(self.dice.choice(BOXES))

    def target(self) -> str:
        """A UID command or not, with its messages."""
        if self.dice.random() < 0.4:
            return "UID {} " + self.one(*UIDS)
        return "{} " + self.one(*SETS)

    def fetch(self) -> str:
        return self.target().format("FETCH") + " " + self.item()

    def item(self) -> str:
        kind = self.dice.random()
        if kind < 0.6:
            return self.one(*FETCHES)
        peek = self.one("BODY", "BODY.PEEK")
        if kind < 0.8:
            what = self.one("", ".MIME", ".HEADER", ".TEXT")
            return f"{peek}[{self.one(*PARTS)}{what}]"
        fields = " ".join(self.dice.sample(FIELDS, self.dice.randint(1, 3)))
        part = self.one("", "", "", "3.", "1.")
        no = self.one("", ".NOT")
        return f"{peek}[{part}HEADER.FIELDS{no} ({fields})]"

    def structure(self) -> str:
        return "FETCH 1:* " + self.one("(UID ENVELOPE)", "BODYSTRUCTURE", "(UID BODY)")

    def store(self) -> str:
        flags = " ".join(self.dice.sample(FLAGS, self.dice.randint(0, 3)))
        sign, silent = self.one("", "+", "+", "-"), self.one("", "", ".SILENT")
        return f"{self.target().format('STORE')} {sign}FLAGS{silent} ({flags})"

    def search(self) -> str | bytes:
        keys = " ".join(self.dice.sample(self.keys, self.dice.choice((1, 1, 1, 2))))
        wanted = ""
        if self.dice.random() < 0.35:
            wanted = f"RETURN ({self.one(*RETURNS)}) "
        charset = "CHARSET UTF-8 " if not keys.isascii() else ""
        command = f"{self.one('', '', 'UID ')}SEARCH {wanted}{charset}"
        return command.encode() + literals(keys)

    def sort(self) -> bytes:
        command = f"{self.one('', 'UID ')}SORT ({self.one(*SORTS)}) UTF-8 "
        keys = self.one("ALL", "ALL", "UNDELETED", "SUBJECT re", "1:3")
        return (command + keys).encode()

    def thread(self) -> str:
        how = self.one("REFERENCES", "ORDEREDSUBJECT")
        return f"{self.one('', 'UID ')}THREAD {how} UTF-8 {self.one('ALL', 'UNSEEN')}"

    def append(self) -> bytes:
        return appended(self.dice, self.dice.choice(BOXES))

    def names(self) -> str:
        kind = self.dice.random()
        if kind < 0.45:
            return f"LIST {self.one(*LISTS)}"
        if kind < 0.55:
            return "LSUB " + self.one('"" *', '"" %', '"" Work/%', "Work *")
        if kind < 0.65:
            if self.dice.random() < 0.5:
                return f"SUBSCRIBE {self.one(*STAYING)}"
            return f"UNSUBSCRIBE {self.one(*STAYING, 'never-was')}"
        if kind < 0.83:
            return f"CREATE {self.box()}"
        if kind < 0.9:
            return f"DELETE {quoted(self.one(*LEAVES))}"
        return f"RENAME {quoted(self.one('Work', *LEAVES))} {self.box()}"

    def select(self) -> str:
        options = self.one("", "", "", " (CONDSTORE)")
        return f"{self.one('SELECT', 'SELECT', 'EXAMINE')} {self.box()}{options}"

    def transfer(self) -> str:
        verb = self.one("COPY", "COPY", "MOVE")
        return f"{self.target().format(verb)} {self.box()}"

    def status(self) -> str:
        return f"STATUS {self.box()} ({self.one(*STATUSES)})"

    def wrong(self) -> str:
        return self.one(*WRONG)

    def others(self) -> str:
        return self.one(
            "NOOP", "CHECK", "EXPUNGE", "EXPUNGE", "UID EXPUNGE 1:3", "UID EXPUNGE 1:*",
            "CLOSE", "UNSELECT", "NAMESPACE", "IDLE", "NOOP",
            "ENABLE X-NONE",
        )  # fmt: skip

    def modseqs(self) -> str:
        if self.qresync and self.dice.random() < 0.5:
            return self.one(
                "UID FETCH 1:* (FLAGS) (CHANGEDSINCE $modseq VANISHED)",
                "SELECT INBOX (QRESYNC ($uidvalidity $modseq))",
                "SELECT INBOX (QRESYNC ($uidvalidity $modseq 1:9))",
            )
        return self.one(
            NEWEST_OF_INBOX.decode(),
            "FETCH 1:* (FLAGS) (CHANGEDSINCE $modseq)",
            "STORE 1:* (UNCHANGEDSINCE $modseq) +FLAGS (\\Answered)",
            "UID STORE 1:* (UNCHANGEDSINCE $modseq) -FLAGS.SILENT (\\Answered)",
            "SEARCH MODSEQ $next",
            "SEARCH RETURN (COUNT ALL) MODSEQ $next",
        )


def literals(keys: str) -> bytes:
    """Words with octets beyond ASCII go as literals."""
    words = []
    for word in keys.split(" "):
        octets = word.encode()
        beyond = not octets.isascii()
        words.append(b"{%d+}\r\n" % len(octets) + octets if beyond else octets)
    return b" ".join(words)


def beginning(dice: random.Random, seed: int, *, both: bool) -> list[Step]:
    """Mailboxes and messages, and an open INBOX."""
    new = ("Work", "lists", *dice.sample(("Work/old", "two words", "&APw-ber"), 1))
    steps = [Step(0, f"CREATE {quoted(one)}".encode()) for one in new]
    if seed % 4 == 1:
        steps.append(Step(0, b"ENABLE CONDSTORE"))
    if seed % 2 == 0:
        steps += [Step(one, b"ENABLE QRESYNC") for one in range(1 + both)]
    steps += [Step(0, appended(dice, "INBOX")) for _ in range(dice.randint(3, 6))]
    steps.append(Step(0, NEWEST_OF_INBOX))
    return steps + [Step(one, b"SELECT INBOX") for one in range(1 + both)]


def sequence(seed: int) -> list[Step]:
    """A session: mailboxes and messages first, then anything."""
    dice = random.Random(f"imap {seed}")
    both = seed % 3 == 0  # two connections
    plan = Plan(dice, qresync=seed % 2 == 0, both=both)
    steps = beginning(dice, seed, both=both)
    while len(steps) < LENGTH * (1.5 if both else 1):
        connection = dice.randint(0, 1) if both else 0
        command = plan.command()
        if b"$modseq" in command or b"$next" in command:  # those of the INBOX
            steps.append(Step(connection, b"SELECT INBOX"))
        if command.startswith((b"RENAME", b"DELETE")):  # not of what is open
            steps += [Step(one, b"SELECT INBOX") for one in range(2 if both else 1)]
        steps.append(Step(connection, command))
        if steps[-1].command in (b"CLOSE", b"UNSELECT"):
            steps.append(Step(connection, b"SELECT INBOX"))
        if both:  # news come when a server likes; here they have come to both
            steps.append(Step(1 - connection, b"NOOP"))
    return steps
