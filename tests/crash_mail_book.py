"""What clients of a mail server were promised, and whether it is so: for `crash_mail`.

Goes in: commands as they begin and as they are acknowledged; what a new server finds.
Comes out: AssertionError when a promise was broken.
"""

from copy import deepcopy

from tests.crash_mail_server import ANN, BOB, DAMAGED

DELETED = "\\Deleted"


class Tree:
    """Mailboxes as a client knows them: name -> {UID: (letter, flags)}.

    A mailbox that takes letters from outside (INBOX) may hold more than is known.
    """

    def __init__(self):
        self.boxes = {}
        self.subscriptions = set()

    def after(self, command, uids):
        """Another tree, with the command done. `uids`: of new messages."""
        made = deepcopy(self)
        getattr(made, command["verb"])(command, uids)
        return made

    def append(self, command, uids):
        new = [(name, frozenset(command["flags"])) for name in command["letters"]]
        self.boxes[command["box"]] |= zip(uids, new, strict=True)

    def replace(self, command, uids):
        self.append({**command, "box": command["target"]}, uids)
        del self.boxes[command["box"]][command["uids"][0]]

    def store(self, command, _):
        box, wanted = self.boxes[command["box"]], frozenset(command["flags"])
        for uid in command["uids"]:
            name, flags = box[uid]
            sign = command["sign"]
            new = flags | wanted if sign == "+" else flags - wanted
            box[uid] = name, new if sign else wanted

    def expunge(self, command, _):
        box = self.boxes[command["box"]]
        for uid in command["uids"]:
            if DELETED in box[uid][1]:
                del box[uid]

    def copy(self, command, uids):
        box = self.boxes[command["box"]]
        olds = [box[uid] for uid in sorted(command["uids"])]
        self.boxes[command["target"]] |= zip(uids, olds, strict=True)

    def move(self, command, uids):
        self.copy(command, uids)
        for uid in command["uids"]:
            del self.boxes[command["box"]][uid]

    def remove(self, command, _):
        for uid in command["uids"]:
            del self.boxes[command["box"]][uid]

    def create(self, command, _):
        self._need(command["box"])

    def _need(self, name):
        for at, char in enumerate(name + "/"):
            if char == "/":
                self.boxes.setdefault(name[:at], {})

    def delete(self, command, _):
        del self.boxes[command["box"]]

    def rename(self, command, _):
        old, new = command["box"], command["target"]
        if old == "INBOX":
            moved = list(self.boxes["INBOX"].values())
            self.boxes["INBOX"] = {}
            self._need(new)
            self.boxes[new] = dict(enumerate(moved, 1))
            return
        for name in [n for n in self.boxes if n == old or n.startswith(old + "/")]:
            self.boxes[new + name[len(old) :]] = self.boxes.pop(name)
        self._need(new)

    def subscribe(self, command, _):
        self.subscriptions ^= {command["box"]}


class Book:
    """All promises. `changes`: how many were acknowledged."""

    def __init__(self):
        self.trees = {ANN: Tree(), BOB: Tree()}
        self.under_way = {ANN: None, BOB: None}
        self.sent = {}  # (letter, recipient) -> was it acknowledged?
        self.delivered = {}  # ... -> how often
        self.twice = {}  # ... -> how often it was being delivered at a kill
        self.owners = {}  # (user, UIDVALIDITY, UID) -> letter, for ever
        self.marks = {}  # (user, UIDVALIDITY) -> (next UID, modseq)
        self.validity = {ANN: 0, BOB: 0}
        self.known = {ANN: {}, BOB: {}}  # mailbox -> UIDVALIDITY, as last seen
        self.queue = set()
        self.changes = 0

    # Clients say ----------------------------------------------------------------------

    def begin(self, user, command):
        self.under_way[user] = command

    def done(self, user, uids=()):
        """The command under way was acknowledged."""
        command, self.under_way[user] = self.under_way[user], None
        self.trees[user] = self.trees[user].after(command, uids)
        self.changes += 1

    def begin_letter(self, name, recipients):
        self.sent |= dict.fromkeys([(name, one) for one in recipients], False)

    def letter_taken(self, name, recipients):
        self.sent |= dict.fromkeys([(name, one) for one in recipients], True)
        self.changes += 1

    def given(self, user, validity, uids, names):
        """The server has said who has which UID."""
        for uid, name in zip(uids, names, strict=True):
            assert self.owners.setdefault((user, validity, uid), name) == name

    def has_modseq(self, user, box, modseq):
        """The server has told of a change; a mailbox may be new and not known yet."""
        if box in self.known[user]:
            key = (user, self.known[user][box])
            uid_next, before = self.marks[key]
            self.marks[key] = uid_next, max(before, modseq)

    # A new server says ----------------------------------------------------------------

    def compare(self, found):
        """What a new server has found."""
        assert found["problems"] == [], found["problems"]
        self.queue = {tuple(one) for one in found["queue"]}
        for user in (ANN, BOB):
            self._compare_user(user, found[user])
        for letter, acknowledged in self.sent.items():
            times, limit = self.delivered.get(letter, 0), 1 + self.twice.get(letter, 0)
            assert times <= limit, (letter, times, "too often")
            if acknowledged:
                assert times or letter in self.queue, (letter, "is lost")
            if times and letter in self.queue:
                self.twice[letter] = self.twice.get(letter, 0) + 1

    def _compare_user(self, user, found):
        there = Tree()
        there.subscriptions = set(found["subscriptions"])
        for name, box in found["boxes"].items():
            there.boxes[name] = {
                int(uid): (letter, frozenset(flags))
                for uid, (letter, flags) in box["messages"].items()
            }
            self._check_numbers(user, box)
        highest = max(box["validity"] for box in found["boxes"].values())
        self.validity[user] = max(self.validity[user], highest)
        self._check_validities(user, found)
        if self.trees[user].boxes:
            self._check_promises(user, there)
        self.trees[user], self.under_way[user] = there, None

    def _check_numbers(self, user, box):
        key = (user, box["validity"])
        uid_next, modseq = self.marks.get(key, (1, 1))
        assert box["next"] >= uid_next, (box, uid_next)
        assert box["modseq"] >= modseq, (box, modseq)
        self.marks[key] = box["next"], box["modseq"]
        for uid, (letter, _) in box["messages"].items():
            assert letter != DAMAGED
            assert int(uid) < box["next"]
            assert self.owners.setdefault((*key, int(uid)), letter) == letter

    def _check_validities(self, user, found):
        """A mailbox that nobody made anew is the same."""
        before, self.known[user] = self.known[user], {}
        old = set(before.values())
        for name, box in found["boxes"].items():
            self.known[user][name] = box["validity"]
            assert box["validity"] in old or box["validity"] > max(old, default=0)

    def _check_promises(self, user, there):
        """All of the command under way, or nothing of it."""
        possible = [self.trees[user]]
        if (command := self.under_way[user]) is not None:
            uids = self._new_uids(user, there, command)
            if len(uids) == expected(command):
                possible.append(self.trees[user].after(command, uids))
        rests = [self._news(tree, there) for tree in possible]
        rest = next((rest for rest in rests if rest is not None), None)
        assert rest is not None, (there.__dict__, [p.__dict__ for p in possible])
        for name in rest:
            assert (name, user) in self.sent, name
            key = (name, user)
            self.delivered[key] = self.delivered.get(key, 0) + 1

    def _new_uids(self, user, there, command):
        """Letters from outside (their names begin with S) are not from a command."""
        if not expected(command):
            return []
        name = command.get("target", command["box"])
        before = self.trees[user].boxes.get(name, {})
        return sorted(
            uid
            for uid, (letter, _) in there.boxes.get(name, {}).items()
            if uid not in before and (name != "INBOX" or letter[0] != "S")
        )

    @staticmethod
    def _news(tree, there):
        """Letters that came into INBOX; None: this is not what is there."""
        if tree.subscriptions != there.subscriptions:
            return None
        if {**tree.boxes, "INBOX": 0} != {**there.boxes, "INBOX": 0}:
            return None
        known, inbox = tree.boxes["INBOX"], there.boxes["INBOX"]
        if any(inbox.get(uid) != message for uid, message in known.items()):
            return None
        new = [inbox[uid] for uid in inbox.keys() - known.keys()]
        if any(name[0] != "S" or flags for name, flags in new):
            return None
        return [name for name, _ in new]


def expected(command):
    """How many messages are new when it is done."""
    adds = {"append": "letters", "replace": "letters", "copy": "uids", "move": "uids"}
    return len(command.get(adds.get(command["verb"]), ()))
