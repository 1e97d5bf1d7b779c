"""The folders of a mail server, as IIS has them: Pickup, Queue, Drop, Badmail.

Goes in: files that somebody drops into Pickup; mail for local recipients, where
`delivery.drop_folder` is set; reports that nobody takes. Comes out: messages in the
queue, files in Drop and Badmail.

Rule 1: the envelope of a file in Pickup stands in its header: X-Sender and X-Receiver
        fields if there are any, else From and To, Cc, Bcc. Those two and Bcc leave the
        header.
Rule 2: a file that has no envelope goes to Badmail with a file that says why.
Rule 3: a file is taken out of Pickup after the message is in the queue; while that
        cannot be (the disk is full), it stays there.
"""

from collections.abc import Sequence
from email.utils import getaddresses
from typing import TYPE_CHECKING

from maillab.agents.outcome import Outcome
from maillab.agents.serving import tell_failure
from maillab.errors import LabError
from maillab.store.accounts import DirectoryUnavailable
from maillab.store.folders import DiskFolder, Folder, MemoryFolder
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.message import Header, field, header_length, message_id, prepend
from maillab.wire.smtp_path import NULL_PATH, Address

if TYPE_CHECKING:
    from maillab.agents.mta import MTA

POLL = 1.0  # seconds between looks into a directory
LEAVE = ("X-Sender", "X-Receiver", "Bcc")


class QueueFolder:
    """The queue, to look at: a file for each message."""

    def __init__(self, mta: "MTA") -> None:
        self._mta = mta

    @property
    def names(self) -> list[str]:
        """The files, oldest first."""
        return [f"{id}.eml" for id in self._mta.queue.entries]

    def get(self, name: str) -> bytes:
        """A message as it waits. Raises LabError."""
        return self._mta.queue.find(name.removesuffix(".eml")).content


class Mailroot:
    """The folders of one server, in memory; `use_disk` puts others in their place."""

    def __init__(self, mta: "MTA") -> None:
        self.mta = mta
        self.queue = QueueFolder(mta)
        pickup = MemoryFolder("Pickup")
        pickup.on_put = self.collect
        self.pickup: Folder = pickup
        self.drop: Folder = MemoryFolder("Drop")
        self.badmail: Folder = MemoryFolder("Badmail")
        self._sent: set[str] = set()  # files that are sent, and could not be removed
        self._left: dict[str, str] = {}  # files that stay in Pickup, and why

    def use_disk(self, pickup: Folder, drop: Folder, badmail: Folder) -> None:
        """Use other folders: directories of a real computer."""
        self.pickup, self.drop, self.badmail = pickup, drop, badmail

    def start(self) -> None:
        """Look into a directory again and again; a folder in memory calls by itself."""
        if isinstance(self.pickup, DiskFolder):
            name = f"{self.mta.hostname}: pickup"
            self.mta.machine.spawn(self._poll(), name)

    async def _poll(self) -> None:
        while True:
            self.collect()
            await self.mta.machine.sleep(POLL)

    # Pickup ---------------------------------------------------------------------------

    def collect(self) -> None:
        """Send every file that lies in Pickup."""
        try:
            names = self.pickup.names
        except OSError as error:
            self._leave("", error)
            return
        for name in names:
            try:
                self._collect(name)
            except (OSError, DirectoryUnavailable) as error:  # later, perhaps
                self._leave(name, error)

    def _collect(self, name: str) -> None:
        if name not in self._sent:
            try:
                content = self.pickup.get(name)
            except LabError:
                return  # somebody has taken it away
            reason = self._send(name, _crlf(content))
            if reason:
                self._reject(name, content, reason)
        self.pickup.remove(name)
        self._sent.discard(name)
        self._left.pop(name, None)

    def _send(self, name: str, content: bytes) -> str:
        """Queue one file; why not, when it is no message."""
        try:
            self._queue(name, content)
        except ValueError as problem:
            return str(problem)
        except (OSError, DirectoryUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  (the agent's top loop)
            tell_failure(self.mta.machine, error)
            return "the server failed: see the trace"
        self._sent.add(name)
        return ""

    def _queue(self, name: str, content: bytes) -> None:
        """One file. Raises ValueError when it has no envelope."""
        header = Header.from_wire(content)
        sender = envelope_sender(header)
        receivers = envelope_receivers(header)
        mta, id = self.mta, self.mta.new_id()
        content = mta.completed(without(content, header), id)
        stamp = f"by {mta.hostname} (pickup folder) id {id};\r\n\t{mta.date()}"
        entry = QueueEntry(
            id,
            message_id(content) or id,
            mta.masqueraded(sender),
            [Recipient(one) for one in dict.fromkeys(receivers)],
            prepend(content, field("Received", stamp)),
            mta.machine.time(),
            "7BIT" if content.isascii() else "8BITMIME",
        )
        mta.enqueue(entry)
        mta.machine.emit("pickup", message=entry.message, queue_id=id, file=name)

    def _leave(self, name: str, error: Exception) -> None:
        """The file is fine: it stays, and the trace tells why, once."""
        if self._left.get(name) != repr(error):
            self._left[name] = repr(error)
            tell_failure(self.mta.machine, error)

    def _reject(self, name: str, content: bytes, reason: str) -> None:
        self.badmail.put(name, content)
        self.badmail.put(f"{name}.reason.txt", f"{reason}\r\n".encode())
        text = f"{name} goes from Pickup to Badmail: {reason}"
        self.mta.machine.emit("note", text=text)

    # Drop and Badmail -----------------------------------------------------------------

    def drop_off(
        self, entry: QueueEntry, recipients: Sequence[Recipient]
    ) -> list[Outcome]:
        """One file for all local recipients, with the envelope in X- fields."""
        lines = [field("X-Sender", str(entry.reverse_path))]
        lines += [field("X-Receiver", str(one)) for one in recipients]
        lines.append(field("Return-Path", entry.reverse_path.to_path()))
        name = self._free_name(entry.id)
        self.drop.put(name, prepend(entry.content, *lines))
        for one in recipients:
            self.mta.machine.emit(
                "delivered",
                message=entry.message,
                queue_id=entry.id,
                mailbox=str(one),
                folder=f"Drop/{name}",
                uid=0,
                return_path=entry.reverse_path.to_path(),
            )
        return [Outcome(one, "delivered", code="2.0.0") for one in recipients]

    def _free_name(self, id: str) -> str:
        taken, number, name = set(self.drop.names), 1, f"{id}.eml"
        while name in taken:
            number += 1
            name = f"{id}-{number}.eml"
        return name

    def throw_away(self, entry: QueueEntry, failed: Sequence[Outcome]) -> None:
        """A report that cannot be delivered ends here, with the reason."""
        reasons = [f"{one.recipient}: {one.reason}\r\n" for one in failed]
        self.badmail.put(f"{entry.id}.eml", entry.content)
        self.badmail.put(f"{entry.id}.reason.txt", "".join(reasons).encode())
        for one in failed:
            self.mta.queue.tell(entry, "badmail", [one.recipient])


# The envelope in a header -------------------------------------------------------------


def envelope_sender(header: Header) -> Address:
    """RFC5321.MailFrom of a file. Raises ValueError.

    >>> str(envelope_sender(Header.from_wire(b"From: Ann <ann@a.example>\\r\\n")))
    'ann@a.example'
    """
    given = header.all("X-Sender") or header.all("From")
    if not given:
        raise ValueError("there is neither a From field nor an X-Sender field")
    if given[0].strip(" <>") == "":
        return NULL_PATH
    return addresses_in(given[:1])[0]


def envelope_receivers(header: Header) -> list[Address]:
    """RFC5321.RcptTo of a file. Raises ValueError."""
    given = header.all("X-Receiver")
    for name in () if given else ("To", "Cc", "Bcc"):
        given += header.all(name)
    found = addresses_in(given)
    if not found:
        raise ValueError("there is no recipient: no To, Cc, Bcc or X-Receiver field")
    return found


def addresses_in(values: Sequence[str]) -> list[Address]:
    """The addresses of address fields. Raises ValueError.

    >>> [str(one) for one in addresses_in(["Bob <bob@b.example>, eve@c.example"])]
    ['bob@b.example', 'eve@c.example']
    """
    found = [text for _, text in getaddresses(list(values)) if text]
    for text in found:
        try:
            Address.from_text(text)
        except ValueError:
            raise ValueError(f"{text!r} is no mail address: user@domain") from None
    if values and not found:
        raise ValueError(f"there is no mail address in {', '.join(values)!r}")
    return [Address.from_text(text) for text in found]


def without(content: bytes, header: Header) -> bytes:
    """The message without the fields that were its envelope."""
    dropped = {name.lower() for name in LEAVE}
    kept = [one.octets for one in header if one.name.lower() not in dropped]
    length = header_length(content)
    blank = b"\r\n" if content[:length].endswith((b"\n\r\n", b"\n\n")) else b""
    return b"".join(kept) + blank + content[length:]


def _crlf(content: bytes) -> bytes:
    """Line ends as SMTP wants them (RFC 5321 §2.3.8)."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return lines.replace(b"\n", b"\r\n")
