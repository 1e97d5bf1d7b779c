"""Exercise 10.2 of notebook 10: a router that lets the right things in, for a night.

A monitor in the data centre tries port 25 by its name, all day and all night, and
remembers addresses as long as the DNS allows. At night the provider changes the
address.
"""

import asyncio
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.net.gateway import Gateway
from maillab.net.path import Step
from maillab.trace.session import Session
from maillab.world.explain import Explanation

ROUTER, MONITOR, SMTP = "home-router", "monitor", 25
NEWS = "RFC 1034 §3.6"  # what a TTL is
DAY_TTL = 43200  # seconds: what the zone says before anybody thinks of the night
HEADSTART = timedelta(seconds=DAY_TTL, hours=2)  # what was remembered is over by then
CHANGE, MORNING = 4, 7  # o'clock
GRACE = timedelta(minutes=30)
PATIENCE = 20.0  # of the monitor, in seconds
SERVICES = {
    25: "letters from other servers",
    465: "letters from the telephone, with TLS from the first octet",
    587: "letters from the telephone, with STARTTLS",
    993: "IMAP on the telephone, with TLS from the first octet",
}
SECTIONS = {
    25: "RFC 5321 §4.5.4.2",
    465: "RFC 8314 §3.3",
    587: "RFC 6409 §3.1",
    993: "RFC 8314 §3.2",
}
OTHERS = (21, 22, 23, 80, 110, 135, 143, 443, 445, 995, 2525, 3389, 8080)
UDP = (25, 53, 137, 587, 3389)
NIGHTS: "WeakKeyDictionary[Lab, Night]" = WeakKeyDictionary()


class Night:
    """What happens between now and the morning, without anybody's doing."""

    def __init__(self, lab: Lab) -> None:
        self.world = lab.world
        self.server = lab.names.server
        self.began_ns = self.world.network.time_ns
        dice = lab.random("10.2")
        now = self.world.network.now()
        self.change = first_at(CHANGE, now + HEADSTART)
        self.change += timedelta(seconds=dice.randint(120, 1200))
        self.morning = first_at(MORNING, self.change)
        self.old = lab.names.address
        self.new = a_free_address(lab)
        self.answered: list[str] = []  # connections on which a greeting came
        loop, at = self.world.loop, self.seconds(self.change)
        self._timer = loop.call_at(at, self._renumber)
        self._watch = self.world.host(MONITOR).spawn(self._monitor(), "the monitor")

    def stop(self) -> None:
        """Another night begins."""
        self._timer.cancel()
        self._watch.cancel()

    def seconds(self, moment: datetime) -> float:
        """A moment on the world's clock."""
        ahead = moment - self.world.network.now()
        return self.world.time + ahead.total_seconds()

    def _renumber(self) -> None:
        self.world.change_address(ROUTER, self.new)

    async def _monitor(self) -> None:
        """Each hour, and in the second half of the night every five minutes."""
        host, step = self.world.host(MONITOR), timedelta(minutes=5)
        moment = self.world.network.now() + step
        while moment <= self.morning:
            ahead = moment - self.world.network.now()
            await host.sleep(max(0.0, ahead.total_seconds()))
            await self._try()
            night = self.change - moment < timedelta(hours=2)
            moment += step if night else timedelta(hours=1)

    async def _try(self) -> None:
        host = self.world.host(MONITOR)
        try:
            async with asyncio.timeout(PATIENCE):
                stream = await host.connect(self.server, SMTP)
                if await stream.read():
                    self.answered.append(stream.id)
                stream.write(b"QUIT\r\n")
                await stream.close()
        except OSError:  # that is what a monitor is for
            pass

    def attempts(self) -> list[Session]:
        """What the monitor tried since the night was announced."""
        found = self.world.trace.find_sessions(client=MONITOR, port=SMTP)
        return [one for one in found if one.began_ns >= self.began_ns]

    def moment_of(self, session: Session) -> datetime:
        return self.world.network.epoch + timedelta(
            microseconds=session.began_ns / 1000
        )


def first_at(hour: int, after: datetime) -> datetime:
    """The first time it is so late, behind a moment."""
    moment = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    return moment if moment > after else moment + timedelta(days=1)


def a_free_address(lab: Lab) -> str:
    net = lab.names.address.rpartition(".")[0]
    taken = {ip for host in lab.world.hosts.values() for ip in host.addresses}
    taken.add(lab.names.address)
    free = [ip for n in range(100, 250) if (ip := f"{net}.{n}") not in taken]
    return lab.random("10.2 address").choice(free)


# The exercise -------------------------------------------------------------------------


def begin_10_2(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    if lab in NIGHTS:
        NIGHTS[lab].stop()
    world.firewall("provider").clear()
    world.add_preset("provider", "isp-blocks-25")
    router = world.gateway(ROUTER)
    router.forwards.clear()
    router.hairpin = False
    if router.public_address != names.address:
        world.change_address(ROUTER, names.address)
    world.zone(names.domain).replace("mail", "A", names.address, ttl=DAY_TTL)
    world.firewall(names.server).clear()
    NIGHTS[lab] = night = Night(lab)
    hours = (night.morning - world.network.now()).total_seconds() / 3600
    return Task(
        "10.2",
        "Let the right things in, tonight too",
        router=ROUTER,
        zone=names.domain,
        change=f"{night.change:%A}, between {CHANGE}:00 and {CHANGE + 1}:00",
        hours=int(hours) + 1,
    )


def check_10_2(lab: Lab) -> Parts:
    lab.task("10.2")
    return {
        "ports": attempt(judge_ports, lab),
        "hairpin": attempt(judge_hairpin, lab),
        "night": attempt(judge_night, lab, NIGHTS[lab]),
    }


# The ports ----------------------------------------------------------------------------


def judge_ports(lab: Lab) -> Evidence:
    router, server = lab.world.gateway(ROUTER), lab.world.host(lab.names.server)
    way = ("alice-phone", router.public_address)
    found: dict[str, str] = {}
    for port, service in SERVICES.items():
        seen = lab.world.explain(*way, port)
        if not (seen.outcome.ok and seen.path and seen.path.node is server):
            raise Failed(
                f"{service}: a connection from alice-phone to the mail server",
                seen.outcome.sees,
                SECTIONS[port],
                why_closed(router, server.addresses[0]),
            )
        found[str(port)] = seen.outcome.sees
    closed: list[str] = []
    for protocol, ports in (("tcp", OTHERS), ("udp", UDP)):
        for port in ports:
            seen = lab.world.explain(*way, port, protocol)
            if seen.answer is not None:  # somebody got the packet
                raise Failed(
                    "nothing else of the flat reachable from outside",
                    f"{protocol} port {port}: {seen.outcome.sees}",
                    f'world.explain("alice-phone", names.server, {port})',
                    "forward a service at a time; whole ranges open what you forgot",
                )
            closed.append(f"{protocol} {port} {'open' if seen.answer else 'closed'}")
    return {"open": found, "leads to": server.name, "closed": closed}


def why_closed(router: Gateway, server: str) -> str:
    targets = {forward.to for forward in router.forwards}
    if targets and server not in targets:
        return "the router forwards to another host than the mail server"
    if targets:
        return "each service has a port of its own, and one of them is missing"
    return "a router with NAT lets in what it was told to forward, and nothing else"


# The hairpin --------------------------------------------------------------------------


def judge_hairpin(lab: Lab) -> Evidence:
    seen = lab.world.explain("alice-pc", lab.names.server, 993)
    turned = [step for step in steps(seen) if step.what == "is turned back"]
    if not (seen.outcome.ok and turned):
        raise Failed(
            "alice-pc connected by the public name, turned back at the router",
            seen.outcome.sees,
            "RFC 4787 §6",
            why_not_turned(lab),
        )
    assert seen.path, "it has steps"
    assert seen.path.node, "it arrived"
    return {"name": seen.wanted, "sees": seen.outcome.sees, "at": seen.path.node.name}


def why_not_turned(lab: Lab) -> str:
    router = lab.world.gateway(ROUTER)
    known = lab.world.zone(lab.names.domain).records("mail", "A")
    if known != [str(router.public_address)]:
        return "the name still has the address of yesterday, which is not the router's"
    if router.hairpin:
        return "forward the port first: what is not forwarded cannot be turned back"
    return "many routers do this only when they are told to"


def steps(seen: Explanation) -> list[Step]:
    return list(seen.path.steps) if seen.path else []


# The night ----------------------------------------------------------------------------


def judge_night(lab: Lab, night: Night) -> Evidence:
    attempts = night.attempts()
    before = [a for a in attempts if night.moment_of(a) < night.change]
    after = [a for a in attempts if night.moment_of(a) > night.change + GRACE]
    if lab.world.network.now() < night.morning:
        raise Failed(
            f"that it is morning, {night.morning:%A %H:%M}",
            f"{lab.world.network.now():%A %H:%M}",
            perhaps="let the hours pass with world.advance(…), in small steps",
        )
    demand_router(lab, night)
    if not before or before[-1].id not in night.answered:
        raise Failed(
            "the monitor connected before the address changes, too",
            "its last attempt before it was in vain",
            NEWS,
            "forward port 25 before the hours pass",
            event=before[-1].events[0] if before else None,
            at=MONITOR,
        )
    demand_reached(lab, night, after)
    arrived = {a.server_address[0] for a in attempts if a.id in night.answered}
    return {
        "monitor at": sorted(arrived),
        "in the morning": after[-1].server_address[0],
        "in vain": sum(a.id not in night.answered for a in after),
        "zone": lab.world.zone(lab.names.domain).records("mail", "A"),
    }


def demand_router(lab: Lab, night: Night) -> None:
    has = lab.world.gateway(ROUTER).public_address
    if has != night.new:
        raise Failed(
            "the router at the address that the provider gave it",
            has,
            perhaps="the address is the provider's to choose; the DNS is yours",
        )


def demand_reached(lab: Lab, night: Night, after: list[Session]) -> None:
    """From half an hour behind the change on, every attempt succeeds."""
    vain = [a for a in after if a.id not in night.answered]
    if not vain and after:
        return
    raise Failed(
        "the monitor connected half an hour after the change, and ever since",
        f"{len(vain)} of {len(after)} attempts between then and the morning in vain",
        NEWS,
        why_astray(lab, night),
        event=vain[0].events[0] if vain else None,
        at=MONITOR,
    )


def why_astray(lab: Lab, night: Night) -> str:
    edits = [e for e in lab.world.trace.of_kind("note") if night.new in str(e["text"])]
    new = [e for e in edits if e.time_ns >= night.began_ns]
    if not new:
        return "nobody told the DNS the new address"
    told = lab.world.network.epoch + timedelta(microseconds=new[0].time_ns / 1000)
    if told - night.change > GRACE / 2:
        return "the DNS heard of it late: look at the address every few minutes"
    return "the DNS knew it, the monitor remembered: a TTL counts from the last answer"


EXERCISES = (
    Exercise(
        "10.2",
        5,
        "the right ports are open, under a name that is always true",
        begin_10_2,
        check_10_2,
        parts=(
            Part("ports", 2, "four services from outside, and nothing else"),
            Part("hairpin", 1, "the public name works at home"),
            Part("night", 2, "found again after the address changed"),
        ),
    ),
)
