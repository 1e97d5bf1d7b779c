"""What will happen in the world of an exercise: letters, power cuts, machines' mail.

Goes in: moments, counted from the beginning of an exercise. Comes out: tasks on the
loop of its world, which run when the student lets time pass.

Rule: an exercise that begins again takes off the agenda what has not happened yet.
"""

from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from maillab.agents.smtp_dialogue import SessionEnded, SMTPDialogue
from maillab.net.host import Host
from maillab.policy.fault_plan import Planned
from maillab.trace.events import Event
from maillab.wire.smtp import Envelope
from maillab.wire.smtp_path import NULL_PATH, Address, literal_of
from maillab.world.world import World

SMTP_PORT = 25


class Agenda:
    """The agenda of one exercise.

    began  when, in seconds since the world began; hours count from there
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.began = world.time
        self._timers: list[TimerHandle] = []
        self._faults: list[Planned] = []

    @property
    def hours(self) -> float:
        """How long ago it began."""
        return (self.world.time - self.began) / 3600

    def at(self, hours: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call something then."""
        timer = self.world.loop.call_later(hours * 3600, call, *arguments)
        self._timers.append(timer)

    def letter(self, hours: float, sender: str, to: str, subject: str) -> None:
        """A user posts a letter."""
        self.at(hours, self._post, sender, to, subject)

    def machine_mail(
        self, hours: float, host: str, server: str, envelope: Envelope, content: bytes
    ) -> None:
        """A machine without a mail program talks SMTP to port 25 of a server."""
        place = self.world.host(host)
        work = partial(hand_over, place, server, envelope, content)
        self.at(hours, lambda: place.spawn(work(), f"mail of {host}"))

    def fault(self, stage: str, **keys: Any) -> None:
        """A fault that lasts until the exercise begins again."""
        self._faults.append(self.world.fault(stage, **keys))

    def events(self, host: str, *kinds: str) -> list[Event]:
        """What has happened on a host since the exercise began."""
        first = self.began * 1e9
        found = self.world.trace.of_kind(*kinds)
        return [e for e in found if e.host == host and e.time_ns >= first]

    def cancel(self) -> None:
        """Nothing of it happens any more."""
        for timer in self._timers:
            timer.cancel()
        self.cancel_faults()

    def cancel_faults(self) -> None:
        """Its faults strike no more."""
        for fault in self._faults:
            fault.remove()

    def _post(self, sender: str, to: str, subject: str) -> None:
        user = self.world.user(sender)
        mua = user.mua
        content = mua.compose([to], subject, "With the next boat.")
        user.host.spawn(mua.submit(content, [to]), f"letter of {sender}")


_agendas: WeakKeyDictionary[World, dict[str, Agenda]] = WeakKeyDictionary()


def new_agenda(world: World, exercise: str) -> Agenda:
    """An empty agenda; nothing that any exercise has planned before will happen."""
    agendas = _agendas.setdefault(world, {})
    for agenda in agendas.values():
        agenda.cancel()
    agendas[exercise] = Agenda(world)
    return agendas[exercise]


def agenda_of(world: World, exercise: str) -> Agenda:
    """The agenda of an exercise that has begun."""
    return _agendas[world][exercise]


def calm(world: World) -> None:
    """Every mail server has power, and nothing waits in any queue."""
    for server in world.servers.values():
        world.power_on(server.name)
        server.queue.decide = None
        server.queue.clear()


def envelope(mail_from: str, *rcpt_to: str) -> Envelope:
    """An envelope in words; "" is the null reverse-path."""
    sender = Address.from_text(mail_from) if mail_from else NULL_PATH
    return Envelope(sender, tuple(map(Address.from_text, rcpt_to)), {})


async def hand_over(
    host: Host, server: str, envelope: Envelope, content: bytes
) -> Sequence[str]:
    """One message by SMTP; what was said to each recipient, nothing if nobody is in."""
    try:
        stream = await host.connect(server, SMTP_PORT)
    except OSError:
        return []
    dialogue = SMTPDialogue(host, stream)
    try:
        await dialogue.greeting()
        await dialogue.ehlo(literal_of(stream.local[0]))
        transfer = await dialogue.send(envelope, content)
    except (OSError, SessionEnded):
        return []
    finally:
        await dialogue.quit()
    return [str(reply) for reply in transfer.recipients.values()]
