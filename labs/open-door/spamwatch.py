"""Who keeps the list `bl.spamwatch.example`: a trap, a zone, and a desk (RFC 5782).

Goes in: what arrives in the trap and at the desk. Comes out: records in the zone, and
letters that say why a server stays on the list, or that it does not.

Rule: the desk looks at the server itself: it tries to relay, and has its queue shown.
"""

import re
from ipaddress import ip_address
from typing import Any
from weakref import WeakKeyDictionary, proxy

from maillab.agents.injection import Injection
from maillab.grading import Lab
from maillab.grading.letters import field, letter
from maillab.net.stream import Stream
from maillab.policy.fault_plan import Planned
from maillab.store.mailboxes import Change, Mailbox
from maillab.store.messages import StoredMessage
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.smtp_path import NULL_PATH, Address
from maillab.world.world import World

AFTER = 10 * 60  # seconds until the desk has read its mail
ZONE = "bl.spamwatch.example"
WATCH = "mx.spamwatch.example"
DESK = "delist@spamwatch.example"
TRAP = "trap@oldshop.example"
LATER = "451 4.7.1 Your address is on the list of SpamWatch: try again later"
LAST_HOP = re.compile(rb"Received: from [^;]*?\(\[([0-9.]+)\]\)")


class SpamWatch:
    """The traps, the list and the desk.

    tickets  an address -> the word of the letter that said it is off the list
    caught   messages in the trap
    """

    def __init__(self, lab: Lab) -> None:
        self.lab: Lab = proxy(lab)  # the lab keeps us, not we the lab
        self.world: World = lab.world
        self.tickets: dict[str, str] = {}
        self.caught = 0
        self.evening = 0  # what had been seen when the day was over
        self.spam: dict[str, list[str]] = {}  # what waited then, with its addresses
        self.night = 0  # the event of the trace with which the day was over
        self.stay: dict[str, Planned] = {}  # what a listed address hears elsewhere
        self._watch(TRAP, self._trapped)
        self._watch(DESK, self._asked)

    def _watch(self, address: str, then: Any) -> None:
        inbox = self.world.user(address).inbox

        def watcher(change: Change) -> None:
            if change.what == "added":
                then(found(inbox, change.uid))

        inbox.watch(watcher)

    def _trapped(self, message: StoredMessage) -> None:
        """Nobody writes to a trap who was asked to: the last hop is listed."""
        hop = LAST_HOP.search(message.content)
        if hop is not None:
            self.caught += 1
            self.list(hop[1].decode())

    def _asked(self, message: StoredMessage) -> None:
        """A request: whose address stands in the subject."""
        named = re.search(r"[0-9]+(?:\.[0-9]+){3}", field(message.content, "Subject"))
        sender = field(message.content, "Return-Path").strip("<>")
        host = self.world.host(WATCH)
        if named and sender:
            host.spawn(self._answer(named[0], sender), "the desk of SpamWatch")

    async def _answer(self, address: str, sender: str) -> None:
        await self.world.host(WATCH).sleep(AFTER)
        reason = await self.reason_to_stay(address)
        if reason:
            self.write(sender, f"Still listed: {address}", reason)
            return
        dice = self.lab.random(f"8.4 ticket {address}")
        self.tickets[address] = f"{dice.getrandbits(32):08X}"
        self.unlist(address)
        self.write(sender, f"Delisted: {address}", f"Ticket {self.tickets[address]}")

    async def reason_to_stay(self, address: str) -> str:
        """What the desk finds when it looks at a server; "" when all is well."""
        if await self._relays(address):
            return "Your server still takes mail from strangers for strangers."
        spam = spam_in(self.lab)
        if spam:
            return f"Your queue still holds {len(spam)} messages that nobody asked for."
        return ""

    async def _relays(self, address: str) -> bool:
        """It tries (RFC 5321 §7.9), as a stranger would."""
        try:
            stream = await self.world.host(WATCH).connect(address, 25)
            said = await talk(stream, WATCH, f"probe@{WATCH}", TRAP)
            await stream.close()
        except OSError:
            return False
        return said.startswith("2")

    def list(self, address: str) -> None:
        """An A record in 127.0.0.0/8, and the reason (RFC 5782 §2.1)."""
        zone, name = self.world.zone(ZONE), listing(address)
        self.tickets.pop(address, None)
        if not zone.records(f"{name}.", "A"):
            zone.add(f"{name}.", "A", "127.0.0.2")
            zone.add(f"{name}.", "TXT", f'"sent spam to a trap; write to {DESK}"')
        if address not in self.stay:
            self.stay[address] = self.world.fault(
                "RCPT", host="mx.megapost.example", client=address, reply=LATER
            )

    def unlist(self, address: str) -> None:
        zone, name = self.world.zone(ZONE), listing(address)
        for kind in ("A", "TXT"):
            if zone.records(f"{name}.", kind):
                zone.remove(f"{name}.", kind)
        if address in self.stay:
            self.stay.pop(address).remove()

    def write(self, to: str, subject: str, text: str) -> None:
        """A letter from the desk, to which nobody shall answer (RFC 5321 §4.5.5)."""
        content = letter(f"SpamWatch <{DESK}>", to, subject, text)
        recipient = Recipient(Address.from_text(to))
        mta = self.world.server(WATCH).mta
        mta.inject(Injection(NULL_PATH, (recipient,), content, "report"))


WATCHES: "WeakKeyDictionary[Lab, SpamWatch]" = WeakKeyDictionary()


def watch_of(lab: Lab) -> SpamWatch:
    if lab not in WATCHES:
        WATCHES[lab] = SpamWatch(lab)
    return WATCHES[lab]


def found(inbox: Mailbox, uid: int) -> StoredMessage:
    return next(message for message in inbox.messages if message.uid == uid)


def listing(address: str) -> str:
    """Where a listing stands (RFC 5782 §2.1)."""
    octets = ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa")
    return f"{octets}.{ZONE}"


async def talk(stream: Stream, helo: str, sender: str, *rcpts: str) -> str:
    """The reply to the last recipient of an envelope."""
    rows = [f"EHLO {helo}", f"MAIL FROM:<{sender}>"]
    said = await stream.read() or b""
    for row in (*rows, *(f"RCPT TO:<{one}>" for one in rcpts)):
        stream.write(f"{row}\r\n".encode())
        said = await stream.read() or b""
    return said.decode("utf-8", "replace")


# Whose is it? -------------------------------------------------------------------------


def is_spam(lab: Lab, entry: QueueEntry) -> bool:
    """Nobody logged in, and it is not the scanner's; or a report to a stranger."""
    top = entry.content.partition(b";")[0]
    hop = LAST_HOP.match(top)
    from_scanner = hop is not None and hop[1].decode() == lab.names.scanner
    logged_in = b" with ESMTPSA id" in top or b" with ESMTPA id" in top  # RFC 3848
    return entry.reverse_path.is_null or not (from_scanner or logged_in)


def spam_in(lab: Lab) -> list[QueueEntry]:
    """What waits in the queue and is nobody's of ours."""
    entries = lab.world.server(lab.names.server).queue.entries.values()
    return [entry for entry in entries if is_spam(lab, entry)]
