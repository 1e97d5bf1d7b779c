"""A place for tests of delivery: a machine without a network, a directory, a queue."""

import random
from datetime import UTC, datetime, timedelta

from maillab.agents.delivery import LocalDelivery
from maillab.policy.recipient_settings import Recipients
from maillab.policy.settings import Settings
from maillab.store.accounts import MemoryDirectory
from maillab.store.queue import QueueEntry, Recipient
from tests.policy_cases import ACCOUNTS, path

EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)


def run(coroutine):
    """The value of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


class FakeMachine:
    """A clock that stands still until it is told, dice, and a list of events."""

    name = "mail.ours.example"
    addresses = ("192.0.2.25", "2001:db8::25")

    def __init__(self):
        self.seconds = 0.0
        self.events = []

    def time(self):
        return self.seconds

    def now(self):
        return EPOCH + timedelta(seconds=self.seconds)

    def random(self, use):
        return random.Random(f"{self.name}:{use}")

    def emit(self, kind, connection="", **facts):
        self.events.append((kind, facts))

    def told(self, kind):
        return [facts for one, facts in self.events if one == kind]


class Place:
    """One server: what comes to `send` is delivered, what it injects lies in `out`."""

    def __init__(self, **recipients):
        self.machine = FakeMachine()
        self.directory = MemoryDirectory(("ours.example", "sister.example"))
        for address in ACCOUNTS:
            self.directory.add(address, "secret")
        self.settings = Settings(recipients=Recipients(**recipients))
        self.out = []
        self.ids = 0
        self.delivery = LocalDelivery(
            self.machine,
            self.machine.name,
            self.directory,
            lambda: self.settings,
            self.inject,
        )

    def entry(self, content, sender="zoe@far.example", **fields):
        self.ids += 1
        return QueueEntry(
            f"Q{self.ids}",
            f"<{self.ids}@far.example>",
            path(sender),
            [],
            content,
            self.machine.time(),
            **fields,
        )

    def inject(self, injection):
        self.out.append(injection)
        return self.entry(
            injection.content, str(injection.reverse_path.to_path())[1:-1] or "<>"
        )

    def send(self, to, content=b"To: ann@ours.example\r\n\r\nHi\r\n", **fields):
        """Deliver one message to one recipient; the outcome."""
        notify = frozenset(fields.pop("notify", ()))
        recipient = Recipient(path(to), notify, fields.pop("original", ""))
        entry = self.entry(content, **fields)
        return run(self.delivery.deliver(entry, recipient))

    def go_on(self):
        """Deliver what was injected for our own domains; what became of each."""
        waiting, self.out = self.out, []
        outcomes = []
        for one in waiting:
            entry = self.entry(one.content)
            entry.reverse_path = one.reverse_path
            for recipient in one.recipients:
                if self.delivery.is_local(recipient.address.domain):
                    outcomes.append(run(self.delivery.deliver(entry, recipient)))
        return outcomes

    def mailbox(self, name, folder="INBOX"):
        account = self.directory.find_address(*name.split("@"))
        tree = account.mailboxes
        return [one.content for one in tree.require(folder).messages]

    def targets(self):
        """To whom the injected messages go."""
        return [
            (one.cause, tuple(str(each) for each in one.recipients)) for one in self.out
        ]
