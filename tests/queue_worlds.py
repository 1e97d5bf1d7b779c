"""Worlds for tests of the queue: settings by keyword, messages with DSN parameters."""

from dataclasses import replace

from maillab.agents.mta import Submission
from maillab.wire.dsn import read_report
from maillab.wire.message import Header
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import NULL_PATH, Address
from tests.worlds import FakeMX, Journal, world_with_gamma

ALPHA = "mail.alpha.example"
ALICE, BOB, CAROL = "alice@alpha.example", "bob@beta.example", "carol@gamma.example"
MX1, MX2 = "mx1.gamma.example", "mx2.gamma.example"
ONE_MX = "@ MX 10 mx1\n"
TWO_MX = ONE_MX + "@ MX 20 mx2\n"
LETTER = b"From: alice@alpha.example\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


class QueueWorld:
    """The world with gamma.example, and alpha's server in it."""

    def __init__(self, folder, records=ONE_MX):
        self.world = world_with_gamma(folder, records)
        self.server = self.world.server(ALPHA)
        self.mta = self.server.mta
        self.queue = self.mta.queue
        self.forgiven = False

    def close(self):
        failures = Journal(self.world).failures
        self.world.close()
        assert failures == [] or self.forgiven

    def forgive(self):
        """A test wanted a failure of ours."""
        self.forgiven = True

    def mx(self, name=MX1, **says):
        """A server of gamma that says what a test wants."""
        return FakeMX(self.world, name, **says)

    def off(self, name=MX1, address="198.51.100.71"):
        """A server of gamma that does not answer."""
        host = self.world.hosts.get(name) or self.world.add_host(name, address)
        host.up = False
        return host

    def deliver(self, **keys):
        """Change settings of delivery."""
        old = self.mta.settings
        self.mta.settings = replace(old, delivery=replace(old.delivery, **keys))

    def set(self, **keys):
        """Change other settings."""
        self.mta.settings = replace(self.mta.settings, **keys)

    def put(self, *to, sender=ALICE, content=LETTER, asked=(), user="", **parameters):
        """A message comes in. `asked`: what RCPT said, for all; `parameters`: MAIL."""
        path = Address.from_text(sender) if sender else NULL_PATH
        paths = tuple(map(Address.from_text, to))
        envelope = Envelope(path, paths, parameters, tuple(dict(asked) for _ in to))
        mail = Submission(envelope, content, "pc", "192.0.2.9", "ESMTP", user)
        return self.mta.accept(mail)

    def send(self, *to, **more):
        """A message comes in, and is tried."""
        entry = self.put(*to, **more)
        self.world.settle()
        return entry

    def inbox(self, name="alice"):
        """What a user has got."""
        return [message.content for message in self.world.mailbox(name).messages]

    def reports(self, name="alice"):
        """The delivery status notifications that a user has got."""
        found = [read_report(content) for content in self.inbox(name)]
        return [report for report in found if report is not None]

    def events(self, kind):
        return self.world.trace.of_kind(kind)

    def reasons(self, kind):
        return Journal(self.world).reasons(kind)

    def actions(self, *wanted):
        """What was done to the queue."""
        done = [event["action"] for event in self.events("queue")]
        return [one for one in done if one in wanted]

    def tries(self):
        """To which hosts alpha's server tried to deliver."""
        here = [e for e in self.events("attempt") if e.host == ALPHA]
        return [event["to_host"] for event in here]

    def times(self, kind="attempt"):
        """When, in whole minutes since the first one."""
        here = [e.time_ns for e in self.events(kind) if e.host == ALPHA]
        return [round((moment - here[0]) / 60e9) for moment in here]


def header(content):
    return Header.from_wire(content)
