"""THREAD: which messages belong together (RFC 5256 §3).

Goes in: what threading needs of each message. Comes out: a forest, and its spelling.

Rule 1: the steps of REFERENCES are those of the RFC, under their numbers.
Rule 2: nothing here calls itself: a conversation may have 100,000 answers in a row.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from maillab.wire.imap_message import MessageData
from maillab.wire.imap_sort import Sortable, Subject
from maillab.wire.mime_values import Fields

ALGORITHMS = ("ORDEREDSUBJECT", "REFERENCES")
MAX_STEPS = 20_000_000  # of looking for loops
# deviation: of a message with more references the last ones count: a letter must not
# fill the memory.
MAX_REFERENCES = 200

_IDS = Fields("Message-ID", "References", "In-Reply-To")
# Both read every octet once, however many "@" or quotes a bomb has. An ID fits into a
# line (RFC 5322 §2.1.1).
_MESSAGE_ID = re.compile(rb"<([^<>\s][^<>\s@]{0,996}@[^<>\s]{1,998})>")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)(?:(")|\\?\Z)')


class TooTangled(ValueError):
    """More work than a server wants to have with references."""


@dataclass(frozen=True, slots=True)
class Threadable:
    """A message. `ids`: its own, then those it refers to, from old to new."""

    number: int  # or UID: what the client gets
    sent: int
    subject: Subject
    own_id: bytes = b""
    references: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, data: MessageData, number: int) -> "Threadable":
        """From the header of a message."""
        sortable = Sortable(data)
        found = _IDS.find(data.content)
        ids = message_ids(found.get("references", []))
        if not ids:  # "use the first (if any) valid Message ID" there (step 1)
            ids = message_ids(found.get("in-reply-to", []))[:1]
        own = message_ids(found.get("message-id", []))[:1]
        some = tuple(ids[-MAX_REFERENCES:])
        return cls(number, sortable.sent, sortable.subject, b"".join(own), some)


@dataclass(slots=True, eq=False)
class Node:
    """A message in a thread, or a dummy: `message` is None."""

    message: Threadable | None = None
    parent: "Node | None" = None
    children: "dict[Node, None]" = field(default_factory=dict["Node", None])

    @property
    def first(self) -> Threadable:
        """The message; for a dummy that of its first child."""
        found = self.message or next(iter(self.children)).message
        assert found, "dummies have children, which are messages"
        return found

    @property
    def age(self) -> tuple[int, int]:
        """By what siblings are sorted: sent date, then number."""
        return self.first.sent, self.first.number


def message_ids(bodies: Iterable[bytes]) -> list[bytes]:
    """Message-IDs in fields, without quotes that they do not need (RFC 5256 §3).

    >>> message_ids([b' <"01K"@a.example> and\\r\\n <2@b.example>'])
    [b'01K@a.example', b'2@b.example']
    """
    found = (id_ for body in bodies for id_ in _MESSAGE_ID.findall(body))
    return [_QUOTED.sub(_unquoted, id_) if b'"' in id_ else id_ for id_ in found]


def ordered_subject(messages: Iterable[Threadable]) -> list[Node]:
    """Threads by subject alone: no grandchildren (RFC 5256 §3, ORDEREDSUBJECT)."""
    threads: dict[str, Node] = {}
    for message in sorted(messages, key=lambda m: (m.sent, m.number)):
        root = threads.setdefault(message.subject.base, Node(message))
        if root.message is not message:
            root.children[Node(message)] = None
    return sorted(threads.values(), key=lambda node: node.age)


def references(messages: Iterable[Threadable]) -> list[Node]:
    """Threads by references, then by subject (RFC 5256 §3, REFERENCES).

    Raises `TooTangled`.
    """
    roots = _pruned(_Linker().link(messages))  # steps 1 to 3
    roots = _sorted_roots(roots)  # step 4
    roots = _merged(roots)  # step 5
    _sort_all(roots)  # step 6
    return sorted(roots, key=lambda node: node.age)


class _Linker:
    """Step 1: parents and children by Message-ID."""

    def __init__(self) -> None:
        self._nodes: dict[bytes, Node] = {}
        self._all: list[Node] = []
        self._steps = MAX_STEPS

    def link(self, messages: Iterable[Threadable]) -> list[Node]:
        """Step 2 too: who has no parent."""
        some = sorted(messages, key=lambda message: message.number)
        # "If two or more messages have the same Message ID, then only use that Message
        # ID in the first (lowest sequence number) message"
        for message in some:
            self._place(message)
        for node in tuple(self._all):
            assert node.message, "dummies come behind them"
            self._link(node, node.message)
        return [node for node in self._all if node.parent is None]

    def _place(self, message: Threadable) -> None:
        node = Node(message)
        self._all.append(node)
        if message.own_id:
            self._nodes.setdefault(message.own_id, node)

    def _link(self, node: Node, message: Threadable) -> None:
        last: Node | None = None
        for id_ in message.references:  # step 1.A
            found = self._node(id_)
            if last and not found.parent:
                self._adopt(last, found)
            last = found
        if node.parent:  # step 1.B: "break the current parent/child link"
            del node.parent.children[node]
            node.parent = None
        if last:
            self._adopt(last, node)

    def _node(self, id_: bytes) -> Node:
        if id_ not in self._nodes:
            self._nodes[id_] = Node()
            self._all.append(self._nodes[id_])
        return self._nodes[id_]

    def _adopt(self, parent: Node, child: Node) -> None:
        """Link, unless that makes a loop; `child` has no parent."""
        if parent is child or (child.children and self._is_above(child, parent)):
            return
        child.parent = parent
        parent.children[child] = None

    def _is_above(self, node: Node, other: Node | None) -> bool:
        while other:
            self._steps -= 1
            if other is node:
                return True
            other = other.parent
        if self._steps < 0:
            raise TooTangled
        return False


def _pruned(roots: list[Node]) -> list[Node]:
    """Step 3: dummies go, their children move up; below the root only an only child."""
    for node in reversed(list(_walk(roots))):  # children before their parents
        children: dict[Node, None] = {}
        for child in node.children:
            moved_up = child.children if child.message is None else (child,)
            children.update(dict.fromkeys(moved_up))
        node.children = children
    kept: list[Node] = []
    for root in roots:
        if root.message or len(root.children) > 1:
            kept.append(root)
        else:
            kept += root.children
    return kept


def _sorted_roots(roots: list[Node]) -> list[Node]:
    """Step 4: "In the case of a dummy message, sort its children ..." """
    for root in roots:
        if root.message is None:
            _sort_children(root)
    return sorted(roots, key=lambda node: node.age)


def _merged(roots: list[Node]) -> list[Node]:
    """Step 5: threads with the same base subject become one."""
    table: dict[str, Node] = {}
    for root in roots:  # step 5.B
        subject = root.first.subject
        other = table.get(subject.base)
        if subject.base and (other is None or _is_better(root, other)):
            table[subject.base] = root
    kept = dict.fromkeys(roots)
    for root in roots:  # step 5.C
        base = root.first.subject.base
        other = table.get(base)
        if other is None or other is root:
            continue
        del kept[root]
        if other.message is None:  # dummies get children, or those of a dummy
            moved = root.children if root.message is None else (root,)
            other.children.update(dict.fromkeys(moved))
        elif _is_answer(root) and not _is_answer(other):
            other.children[root] = None
        else:
            del kept[other]
            table[base] = dummy = Node(children={other: None, root: None})
            kept[dummy] = None
    return list(kept)


def _is_better(root: Node, other: Node) -> bool:
    """Step 5.B.iv."""
    if other.message is None:
        return False
    return root.message is None or (_is_answer(other) and not _is_answer(root))


def _is_answer(node: Node) -> bool:
    return node.message is not None and node.message.subject.is_answer


def _sort_all(roots: list[Node]) -> None:
    """Step 6: "the youngest set of siblings are sorted first"."""
    for node in reversed(list(_walk(roots))):
        _sort_children(node)


def _sort_children(node: Node) -> None:
    if len(node.children) > 1:
        node.children = dict.fromkeys(sorted(node.children, key=lambda n: n.age))


def _walk(roots: Iterable[Node]) -> Iterator[Node]:
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children)


# Spelling -----------------------------------------------------------------------------


def to_wire(roots: Iterable[Node]) -> str:
    """Write threads: `(2)(3 6 (4 23)(44 7 96))` (RFC 5256 §5, thread-list)."""
    written: list[str] = []
    waiting: list[Node | str] = []
    for root in roots:
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                written.append(item)
            else:
                written.append("(")
                waiting.append(")")
                waiting.extend(_rest_of_line(item, written))
    return "".join(written)


def _rest_of_line(node: Node, written: list[str]) -> list[Node]:
    """Write a message and those that follow as only children; who is left branches."""
    numbers: list[str] = []
    while True:
        if node.message:
            numbers.append(str(node.message.number))
        if len(node.children) != 1:
            break
        node = next(iter(node.children))
    branches = list(reversed(node.children))
    written.append(" ".join(numbers) + " " * bool(numbers and branches))
    return branches


def _unquoted(found: re.Match[bytes]) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", found[1]) if found[2] else found[0]
