"""Servers that fail as planned: a conversation in which something may come between.

Goes in: a plan of faults, and what a server's engine wants to say. Comes out: a refusal
in its place, or the reply late, halved, or not at all.

Rule 1: a planned refusal replaces the command: it is not carried out. With any other
        fault it is carried out, and the reply is what suffers: so a message may be
        accepted whose 250 never arrives (RFC 1047).
Rule 2: what strikes is told to the trace before it is done.
Rule 3: who waits here waits alone: other sessions go on.
"""

import re
import ssl
from dataclasses import dataclass, replace
from random import Random

from maillab.agents.conversation import Conversation
from maillab.agents.machine import Machine, Stream
from maillab.policy import fault_words as words
from maillab.policy.fault_plan import Fault, FaultPlan, Moment, Planned
from maillab.protocol.server import Server
from maillab.protocol.smtp_server import SMTPServer
from maillab.wire.lines import Spoken

PATH = re.compile(r"<([^>]*)>")


class Faults:
    """The plan of a world and its dice, for all its servers."""

    def __init__(self) -> None:
        self.plan = FaultPlan()
        self._dice: dict[tuple[str, int], Random] = {}

    def find_strike(self, machine: Machine, moment: Moment) -> Planned | None:
        """Which fault strikes now on this machine."""
        return self.plan.find_strike(moment, lambda entry: self._roll(machine, entry))

    def _roll(self, machine: Machine, entry: Planned) -> float:
        key = machine.name, entry.number
        if key not in self._dice:
            self._dice[key] = machine.random(f"fault {entry.number}")
        return self._dice[key].random()


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A reply that was not sent yet."""

    octets: bytes
    lines: list[Spoken]


class FaultyConversation(Conversation):
    """One session of a server for which faults may be planned."""

    def __init__(
        self, faults: Faults, machine: Machine, stream: Stream, engine: Server
    ) -> None:
        super().__init__(machine, stream, engine)
        self._server = engine
        self._faults = faults
        self._waiting: tuple[str, Fault] | None = None  # strikes at the next reply
        engine.overrule = self._overrule

    async def speak(self) -> None:
        """Say what the engine says, or let a fault strike.

        Raises ConnectionAbortedError when that has ended the connection.
        """
        if self._waiting is None or not self._server.has_to_say:
            self.flush()
            return
        (stage, fault), self._waiting = self._waiting, None
        self._tell_fault(stage, fault)
        reply = self._take_reply()
        if fault.delay:
            await self.machine.sleep(fault.delay)
            self._say(reply, len(reply.octets))
            return
        if fault.half_reply:
            self._say(reply, len(reply.octets) // 2)
        if fault.truncated_tls:
            await self.stream.cut(reply.octets)
        else:
            await self._end(fault)
        raise ConnectionAbortedError(fault.what)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the handshake, or let a fault strike (see `speak`)."""
        entry = self._find_strike(words.TLS, "", secure=True)
        if entry is None:
            await super().start_tls(context)
            return
        fault = entry.fault
        self._tell_fault(words.TLS, fault)
        if fault.delay:
            self.stream.hold()  # the client's hello is for the handshake
            await self.machine.sleep(fault.delay)
            await super().start_tls(context)
            return
        if fault.truncated_tls:
            flight = await server_flight(self.stream, context)
            self.stream.write(flight[: len(flight) // 2])
        await self._end(fault)
        raise ConnectionAbortedError(fault.what)

    # When -----------------------------------------------------------------------------

    def _overrule(self, stage: str, argument: str) -> words.PlannedReply | None:
        """The engine asks before it says anything (`protocol.server.Overrule`)."""
        entry = self._find_strike(stage, argument, secure=self.engine.tls_active)
        if entry is None:
            return None
        fault = entry.fault
        if not fault.reply:
            self._waiting = stage, fault
            return None
        self._tell_fault(stage, fault)
        return words.reply_in(self._protocol, fault.reply, why_of(fault))

    def _find_strike(
        self, stage: str, argument: str, *, secure: bool
    ) -> Planned | None:
        if not self._faults.plan.planned:
            return None
        moment = Moment(
            host=self.machine.name,
            client=self.stream.peer[0],
            protocol=self._protocol,
            port=self.stream.local[1],
            stage=stage,
            secure=secure,
        )
        if isinstance(self._server, SMTPServer):
            moment = with_letter(moment, self._server, argument)
        return self._faults.find_strike(self.machine, moment)

    @property
    def _protocol(self) -> str:
        return self._server.language

    # How ------------------------------------------------------------------------------

    def _take_reply(self) -> Unsaid:
        """What the engine wants to say. What it heard goes to the trace now."""
        spoken = self.engine.lines_spoken()
        for one in spoken:
            if one.speaker != self.engine.side:
                self.tell(one)
        ours = [one for one in spoken if one.speaker == self.engine.side]
        return Unsaid(self.engine.data_to_send(), ours)

    def _say(self, reply: Unsaid, size: int) -> None:
        """Say the first `size` octets of a reply."""
        self.stream.write(reply.octets[:size])
        for one in reply.lines:
            if size > 0:
                self.tell(replace(one, octets=one.octets[:size]))
            size -= len(one.octets)

    async def _end(self, fault: Fault) -> None:
        if fault.reset:
            await self.stream.drain()  # earlier replies leave first
            self.stream.reset()
        else:
            await self.stream.close()

    def _tell_fault(self, stage: str, fault: Fault) -> None:
        self.machine.emit(
            "fault",
            self.stream.id,
            stage=stage,
            what=fault.what,
            comment=fault.comment,
        )


def with_letter(moment: Moment, engine: SMTPServer, argument: str) -> Moment:
    """Add who writes to whom, as far as the client has said it."""
    stage = moment.stage
    named = PATH.search(argument)
    address = named[1] if named else ""
    envelope = engine.envelope
    sender: str | None = None
    if stage in words.SENDER_STAGES:
        sender = address if stage == "MAIL" else str(envelope.reverse_path)
    recipients = (address,) if stage == "RCPT" else ()
    if stage in ("DATA", words.MESSAGE):
        recipients = tuple(str(path) for path in envelope.forward_paths)
    return replace(moment, sender=sender, recipients=recipients)


def why_of(fault: Fault) -> str:
    """The reason that stands in the trace beside a planned refusal."""
    return f"planned fault: {fault.comment}" if fault.comment else "planned fault"


async def server_flight(stream: Stream, context: ssl.SSLContext) -> bytes:
    """What a server says to a client's hello: b"" when none comes.

    From ServerHello to Finished (RFC 8446 §4); the handshake goes no further.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    while not outgoing.pending:
        data = await stream.read()
        if not data:
            return b""
        incoming.write(data)
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return outgoing.read()
