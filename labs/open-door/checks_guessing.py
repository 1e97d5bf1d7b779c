"""Exercise 8.3 of notebook 08: who guesses is kept out, who mistypes is not.

Seeded histories of logins are played in the world: every one of them is a POP3 session
from the host of its owner, at its time.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.net.stream import Stream

from .beginning import reset

MINUTE, HOUR = 60, 3600
BOTS = ("bot-1", "bot-2", "bot-3")
GUARD = "the guard of the exercise"
MOST = 10  # guesses that one address may make


class Login(NamedTuple):
    """One line of the log: somebody tried to log in.

    time      seconds since the log began
    address   the IP address
    user      the name that was given
    password  a fingerprint of the password: equal ones are equal
    ok        it was right
    """

    time: float
    address: str
    user: str
    password: str
    ok: bool


class Try(NamedTuple):
    """A login that somebody will try."""

    time: float
    host: str
    user: str
    password: str


class Became(NamedTuple):
    """What became of it: "ok", "wrong", or "banned": the server did not listen."""

    tried: Try
    outcome: str


Guard = Callable[[list[Login]], Any]


def begin_8_3(lab: Lab) -> Task:
    reset(lab)
    forgive(lab)
    return Task(
        "8.3",
        "Keep out who guesses, and nobody else",
        server=lab.names.server,
        typos=typos(lab),
        phone_minutes=phone_minutes(lab),
        most=MOST,
    )


def check_8_3(lab: Lab, guard: object = None) -> Parts:
    lab.task("8.3")
    return {
        "auto-block": attempt(check_settings, lab),
        "guard": attempt(check_guard, lab, guard),
    }


def forgive(lab: Lab) -> None:
    """Nobody is banned, and no failure counts any more."""
    server = lab.world.server(lab.names.server)
    for host in lab.world.hosts.values():
        server.doorkeeper.unban(host.addresses[0])


# Histories ----------------------------------------------------------------------------


def typos(lab: Lab) -> int:
    """How often people mistype before they look at the keyboard."""
    return lab.random("8.3 typos").choice((3, 4))


def phone_minutes(lab: Lab) -> int:
    """How often the phone asks for new mail, with the password of last year."""
    return lab.random("8.3 phone").choice((8, 10, 12))


def morning(lab: Lab) -> Iterator[Try]:
    """Two hours: bots in haste, thick fingers, a phone with an old password."""
    dice = lab.random("8.3 morning")
    for bot in BOTS:
        start = dice.randrange(30, 8 * MINUTE)
        for burst in range(5):
            at = start + burst * 25 * MINUTE
            for guess in range(6):
                word = f"{dice.choice(('summer', 'winter'))}{burst}{guess}"
                yield Try(at + 4 * guess + dice.random(), bot, "alice", word)
    for start in (dice.randrange(5, 20), dice.randrange(60, 75)):
        yield from thick_fingers(lab, start * MINUTE, "office", "alice")
    yield from the_phone(lab, 2 * HOUR, phone_minutes(lab) * MINUTE)


def day(lab: Lab) -> Iterator[Try]:
    """A day: bots with patience, one of which has a stolen account; and the others."""
    dice = lab.random("8.3 day")
    for bot in BOTS:
        pause = dice.randrange(48, 58) * MINUTE
        for guess in range(24 * HOUR // pause):
            at = pause * guess + dice.randrange(30, 20 * MINUTE)
            user = dice.choice(("alice", "carol", "postmaster"))
            yield Try(at, bot, user, f"guess-{guess}")
            if bot == BOTS[-1] and guess < MOST:
                yield Try(at + 1, bot, "dave", lab.world.user("dave").password)
    for hour, user in enumerate(("alice", "carol", "dave", "alice"), 8):
        at = hour * HOUR + dice.randrange(40 * MINUTE)
        yield from thick_fingers(lab, at, "office", user)
    yield from the_phone(lab, 24 * HOUR, HOUR)


def thick_fingers(lab: Lab, at: int, host: str, user: str) -> Iterator[Try]:
    """Some wrong ones, then the right one."""
    right = lab.world.user(user).password
    for wrong in range(typos(lab)):
        yield Try(at + 9 * wrong, host, user, f"{right}{at % 97}{wrong}")
    yield Try(at + 9 * typos(lab) + 5, host, user, right)


def the_phone(lab: Lab, until: int, every: int) -> Iterator[Try]:
    """The same old password again and again; the laptop beside it has the new one."""
    for at in range(every // 2, until, every):
        yield Try(at, "carol-home", "carol", "last-years-word")
        if at // every % 3 == 1:
            password = lab.world.user("carol").password
            yield Try(at + 20, "carol-home", "carol", password)


# Playing them -------------------------------------------------------------------------


def play(lab: Lab, history: Iterator[Try], guard: Guard | None = None) -> list[Became]:
    """Let all of it happen; the guard, if there is one, reads the log and bans."""
    forgive(lab)
    found: list[Became] = []
    log: list[Login] = []
    started = lab.world.time
    tries = sorted(history)

    async def run() -> None:
        for one in tries:
            await lab.world.hosts[one.host].sleep(
                max(0.0, started + one.time - lab.world.time)
            )
            found.append(Became(one, await outcome(lab, one)))
            if found[-1].outcome != "banned":
                log.append(line(lab, found[-1]))
                if guard is not None:
                    obey(lab, guard, log)

    lab.world.run(run())
    forgive(lab)
    return found


async def outcome(lab: Lab, one: Try) -> str:
    """A POP3 session: who is banned does not come as far as the password."""
    stream = await lab.world.hosts[one.host].connect(lab.names.address, 110)
    said = [await heard(stream)]
    for command in (f"USER {one.user}", f"PASS {one.password}", "QUIT"):
        if not said[-1].startswith(b"+OK"):
            break
        stream.write(f"{command}\r\n".encode())
        said.append(await heard(stream))
    await stream.close()
    if len(said) < 3:  # greeting, USER, PASS
        return "banned"
    return "ok" if said[2].startswith(b"+OK") else "wrong"


async def heard(stream: Stream) -> bytes:
    try:
        return await stream.read() or b""
    except OSError:  # dropped without a word
        return b""


def line(lab: Lab, became: Became) -> Login:
    one = became.tried
    fingerprint = hashlib.sha256(f"{lab.seed}{one.password}".encode()).hexdigest()[:8]
    address = lab.world.hosts[one.host].addresses[0]
    return Login(one.time, address, one.user, fingerprint, became.outcome == "ok")


def obey(lab: Lab, guard: Guard, log: list[Login]) -> None:
    """Ban the newest one of the log for as long as the guard says. Raises Failed."""
    try:
        seconds = guard(list(log))
        seconds = float(0 if seconds is None else seconds)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a student's function)
        raise Failed(
            "guard(log) → for how many seconds log[-1].address is banned, or 0",
            f"{type(error).__name__}",
        ) from None
    if seconds > 0:
        server = lab.world.server(lab.names.server)
        server.doorkeeper.ban(log[-1].address, min(seconds, 30 * 24 * HOUR), GUARD)


# Checks -------------------------------------------------------------------------------


def check_settings(lab: Lab) -> Evidence:
    if not lab.world.server(lab.names.server).mta.settings.defence.autoblock.attempts:
        raise Failed(
            "auto-block switched on",
            "it is off: any number of guesses",
            "RFC 4954 §9",
            "world.configure(server, defence={…}) has the table autoblock",
        )
    return judge(lab, play(lab, morning(lab)))


def check_guard(lab: Lab, guard: object) -> Evidence:
    if not callable(guard):
        raise Failed("a function guard(log)", repr(guard))
    server = lab.world.server(lab.names.server)
    before = server.mta.settings
    lab.world.configure(server.name, defence={"autoblock": {"attempts": 0}})
    try:
        return judge(lab, play(lab, day(lab), guard))
    finally:
        server.mta.settings = before


def judge(lab: Lab, became: Sequence[Became]) -> Evidence:
    """Everybody who is honest got in; every bot had only some guesses."""
    demand_honest(lab, became)
    for bot in BOTS:
        demand_few_guesses(lab, bot, became)
    kept_out = {b.tried.host for b in became if b.outcome == "banned"}
    honest = [f"{b.tried.time:.3f} {b.tried.user}" for b in welcome(became)]
    address = {host: lab.world.hosts[host].addresses[0] for host in kept_out}
    digest = hashlib.sha256("\n".join(honest).encode()).hexdigest()
    return {
        "kept out": sorted(address.values()),
        "let in": [len(honest), digest],
        "too many": [max(0, guesses(bot, became) - MOST) for bot in BOTS],
    }


def welcome(became: Sequence[Became]) -> list[Became]:
    """Those who are no bots and got in."""
    honest = [b for b in became if b.tried.host not in BOTS]
    return [b for b in honest if b.outcome == "ok"]


PERHAPS = {
    "office": "who mistypes a few times is no attacker; how many wrong ones are many?",
    "carol-home": "a phone repeats one wrong word again and again; a bot does not",
}


def demand_honest(lab: Lab, became: Sequence[Became]) -> None:
    for one in became:
        host = one.tried.host
        if one.outcome == "banned" and host not in BOTS:
            raise Failed(
                f"{one.tried.user} at {host} heard by the server",
                f"banned {clock(one.tried.time)} after the beginning",
                "RFC 4954 §9",
                PERHAPS[host],
                event=last_ban(lab, host),
            )
        if host not in BOTS:
            demand_right_word(lab, one.tried, one.outcome)


def demand_right_word(lab: Lab, one: Try, outcome: str) -> None:
    """Who knows the password gets in."""
    if one.password == lab.world.user(one.user).password and outcome != "ok":
        raise Failed(
            f"{one.user} at {one.host} logged in with the right password",
            "the login was refused",
            "RFC 1939 §7",
            "this exercise is about auto-block only: lab.begin puts the rest back",
        )


def demand_few_guesses(lab: Lab, bot: str, became: Sequence[Became]) -> None:
    count = guesses(bot, became)
    if count > MOST:
        banned = any(b == (b.tried, "banned") for b in became if b.tried.host == bot)
        raise Failed(
            f"at most {MOST} guesses from {bot}",
            f"{count}",
            "RFC 4954 §9",
            "the ban is over too soon, or comes too late"
            if banned
            else "it was never banned: slow guesses fall out of a short memory",
            event=last_ban(lab, bot),
        )


def guesses(bot: str, became: Sequence[Became]) -> int:
    """How many wrong words of a bot the server has listened to."""
    return sum(b.tried.host == bot and b.outcome == "wrong" for b in became)


def last_ban(lab: Lab, host: str) -> Any:
    address = lab.world.hosts[host].addresses[0]
    bans = [e for e in lab.world.trace.of_kind("ban") if e["address"] == address]
    made = [e for e in bans if e["reason"] not in ("lifted", GUARD)]
    return made[-1] if made else None


def clock(seconds: float) -> str:
    """`2 h 05 min`."""
    hours, rest = divmod(int(seconds), HOUR)
    return f"{hours} h {rest // MINUTE:02} min"


EXERCISES = (
    Exercise(
        "8.3",
        4,
        "who guesses is out, who mistypes is in",
        begin_8_3,
        check_8_3,
        (
            Part("auto-block", 2, "a morning of bots in haste"),
            Part("guard", 2, "a day of bots with patience"),
        ),
    ),
)
