"""Exercise 7.3 of notebook 07: a box that takes STARTTLS away, and who must wait."""

from contextlib import suppress

from maillab.errors import LabError
from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.exercise import Evidence
from maillab.grading.letters import field, subjects

PARTNERS = {"north": "nora", "south": "sam", "east": "ed"}
OLD = "attic.example"
PARTS = (
    Part("policy", 2, "without STARTTLS mail for who published a policy waits"),
    Part("others", 1, "all other mail goes on as before"),
    Part("back", 1, "what had waited goes out by TLS when the box is gone"),
)


def begin_7_3(lab: Lab) -> Task:
    """Two of three partners publish a policy; which ones, the seed decides."""
    lab.restore(lab.names.server)
    for name in PARTNERS:
        domain = getattr(lab.names, name)
        zone = lab.world.zone(domain)
        with suppress(LabError):  # there may be none
            zone.remove("_mta-sts", "TXT")
        if name in publishers(lab):
            id = lab.random(f"7.3 id {name}").randrange(10**8, 10**9)
            zone.add("_mta-sts", "TXT", f'"v=STSv1; id={id};"', ttl=300)
    lab.world.resolvers[lab.names.server].cache.flush()
    domains = [*(getattr(lab.names, name) for name in PARTNERS), OLD]
    return Task(
        "7.3", "Wait rather than whisper", server=lab.names.server, domains=domains
    )


def publishers(lab: Lab) -> list[str]:
    return sorted(lab.random("7.3 publishers").sample(sorted(PARTNERS), 2))


def check_7_3(lab: Lab) -> dict[str, Evidence | Failed]:
    """The box is switched on, letters are sent, the box is switched off again."""
    lab.task("7.3")
    game = Game(lab)
    game.play()
    return {
        "policy": attempt(game.policy),
        "others": attempt(game.others),
        "back": attempt(game.back),
    }


class Game:
    """One letter to each domain, with the box and then without."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.people = {
            **{getattr(lab.names, name): user for name, user in PARTNERS.items()},
            OLD: "ada",
        }
        self.strict = {getattr(lab.names, name) for name in publishers(lab)}
        self.subject = " ".join(lab.words("7.3 letter", 3))
        self.with_box: dict[str, int] = {}
        self.waiting: list[str] = []
        self.afterwards: dict[str, int] = {}
        self.began = 0

    def play(self) -> None:
        world = self.lab.world
        world.server(self.lab.names.server).queue.clear()
        for user in self.people.values():
            self.lab.fill_inbox(user, [])
        self.began = len(world.trace.sessions)
        box = world.add_rule("carrier", at=0, action="strip-starttls", ports=25)
        for user in self.people.values():
            world.send("bob", world.user(user).address, self.subject)
        world.advance("3 min")
        self.with_box = self.count()
        self.waiting = self.queued()
        world.remove_rule("carrier", box)
        world.advance("1 h")
        self.afterwards = self.count()

    def count(self) -> dict[str, int]:
        """Letters with the subject, for each domain."""
        return {
            domain: subjects(self.lab.world.user(user).inbox).count(self.subject)
            for domain, user in self.people.items()
        }

    def queued(self) -> list[str]:
        """The domains to which the letter waits."""
        queue = self.lab.world.server(self.lab.names.server).queue.entries.values()
        mine = [e for e in queue if field(e.content, "Subject") == self.subject]
        return sorted(r.address.domain.lower() for e in mine for r in e.recipients)

    def policy(self) -> Evidence:
        whispered = sorted(d for d in self.strict if self.with_box[d])
        if whispered:
            raise Failed(
                "all letters to wait whose domain publishes a policy",
                f"{len(whispered)} of {len(self.strict)} went out in clear",
                "RFC 8461 §5",
                "ask for _mta-sts.DOMAIN, TXT, of every domain; where there is one, "
                "tls must be encrypt or verify, in remote_domains",
                event=self.session_of(whispered[0]),
                at=self.lab.names.server,
            )
        return {"waited": [d for d in self.waiting if d in self.strict]}

    def others(self) -> Evidence:
        if all(self.with_box[domain] for domain in self.strict):
            raise Failed(
                "mail for some to wait, and mail for the others not",
                "nobody's mail waits",
                "RFC 8461 §5",
                "this part has points once you insist on TLS with somebody",
            )
        late = sorted(
            d for d, n in self.with_box.items() if d not in self.strict and not n
        )
        if late:
            raise Failed(
                "the letters to arrive at once whose domain publishes nothing",
                f"{len(late)} of {len(self.people) - len(self.strict)} waited",
                "RFC 7435 §3",
                "who insists on TLS for everybody reaches some of them never: the old "
                "server in the attic has none",
            )
        return {"arrived": sorted(set(self.with_box) - self.strict)}

    def back(self) -> Evidence:
        """By TLS, once, to everybody who has it."""
        wrong = sorted(d for d, n in self.afterwards.items() if n != 1)
        if wrong:
            raise Failed(
                f"one letter at {wrong[0]} an hour after the box is gone",
                f"{self.afterwards[wrong[0]]}",
                "RFC 3207 §4.1",
                "a letter that was refused for good does not come back: defer, do not "
                "bounce"
                if wrong[0] in self.strict
                else "it waits for a STARTTLS that this server never offered",
            )
        sealed = self.sealed()
        if not sealed:
            raise Failed(
                "a letter inside TLS to who published a policy",
                "none",
                "RFC 8461 §5",
                "what did not wait, while the box was there, is gone already, in clear",
            )
        return {"by TLS": [*map(list, sealed)], "subject": self.subject}

    def sealed(self) -> list[tuple[str, str]]:
        """The servers to which we spoke inside TLS, and which TLS."""
        strict = [f"mx.{domain}" for domain in self.strict]
        new = self.lab.world.trace.sessions[self.began :]
        sealed = [s for s in new if s.server in strict and s.tls is not None]
        return sorted({(s.server, str(s.tls.version)) for s in sealed if s.tls})

    def session_of(self, domain: str) -> object:
        new = self.lab.world.trace.sessions[self.began :]
        return next(s.events[0] for s in new if s.server == f"mx.{domain}")


EXERCISES = (
    Exercise(
        *("7.3", 4, "whoever asked for TLS got TLS or had to wait"),
        begin_7_3,
        check_7_3,
        PARTS,
    ),
)
