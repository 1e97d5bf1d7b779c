"""Exercise 11.4 of notebook 11: a day without power at home, and nothing is lost."""

import re

from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.exercise import Evidence
from maillab.grading.letters import field, subjects
from maillab.policy.settings import SmartHost

from .checks_home import ready_relay, reset_zone
from .checks_relay import ACCOUNT, code_of, password

PARTS = (
    Part("in", 2, "what was sent to Alice arrives, once"),
    Part("out", 1, "what Alice had sent leaves when the power is back"),
    Part("nobody", 1, "mail for nobody is refused at once, and bounced by nobody"),
)
PEOPLE = ("alice", "bob", "dora")
HOURS = 24


def begin_11_4(lab: Lab) -> Task:
    world, names = lab.world, lab.names
    ready_relay(lab)
    lab.restore(names.home_server)
    user = f"{ACCOUNT}@{names.relay_domain}"
    world.server(names.home_server).use_smart_host(
        SmartHost(names.relay, 587, user, password(lab), tls="verify")
    )
    reset_zone(lab)
    world.power_on(names.home_server)
    return Task(
        "11.4",
        "A day without power",
        server=names.home_server,
        zone=names.home,
        relay=names.relay,
        user=world.user("alice").address,
    )


def check_11_4(lab: Lab) -> dict[str, Evidence | Failed]:
    """Pull the plug for a day, and count the letters afterwards."""
    lab.task("11.4")
    for name in PEOPLE:
        lab.fill_inbox(name, [])
    for server in lab.world.servers.values():
        server.queue.clear()
    day = Day(lab)
    day.pass_by()
    return {
        "in": attempt(day.letters_in),
        "out": attempt(day.letter_out),
        "nobody": attempt(day.mail_for_nobody),
    }


class Day:
    """Twenty-four hours: who writes when, and what came of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.world = lab.world
        dice = lab.random("11.4 hours")
        self.hours = sorted(dice.sample(range(2, HOURS - 1), 4))
        *words, last, self.ghost = lab.words("11.4 letters", 6)
        pairs = zip(words, self.hours, strict=True)
        self.subjects = [f"{word} at hour {hour}" for word, hour in pairs]
        self.out_subject = f"{last} for Dora"
        self.refusal = ""

    def pass_by(self) -> None:
        """Alice writes into the storm; the lights go out; others write to her."""
        home = self.lab.names.home_server
        relay_rule = self.world.add_rule(
            "home-router", at=0, action="drop", direction="out", ports=[25, 587]
        )
        dora = self.world.user("dora").address
        self.world.send("alice", dora, self.out_subject)
        self.world.advance("10 s")
        self.world.power_off(home)
        self.world.remove_rule("home-router", relay_rule)
        alice, now = self.world.user("alice").address, 0
        for number, hour in enumerate(self.hours):
            self.world.advance(f"{hour - now} h")
            now = hour
            sender = ("dora", "bob")[number % 2]
            self.world.send(sender, alice, self.subjects[number])
            if not self.refusal:
                self.refusal = self.ask_for_ghost()
        self.world.advance(f"{HOURS - now} h")
        self.world.power_on(home)
        self.world.advance("6 h")

    def ask_for_ghost(self) -> str:
        """What the relay says to mail for somebody who is not there."""
        names = self.lab.names
        with self.lab.examine("stranger", names.relay, 25) as console:
            console.say("EHLO stranger", "MAIL FROM:<bob@bigmail.example>")
            reply = console.say(f"RCPT TO:<{self.ghost}@{names.home}>")
            if reply.startswith("2"):
                console.say("DATA")
                console.say("Subject: For nobody", "", "Is anybody there?", ".")
        return code_of(reply)

    def letters_in(self) -> Evidence:
        everything = sorted(subjects(self.world.user("alice").inbox))
        found = [subject for subject in everything if subject in self.subjects]
        lost = [subject for subject in self.subjects if subject not in found]
        if found != sorted(self.subjects):
            raise Failed(
                f"{len(self.subjects)} letters in Alice's mailbox, each once",
                f"{len(found)}; missing: {', '.join(lost) or 'none'}",
                "RFC 5321 §5.1",
                self.likely_loss(),
            )
        return {"arrived": found}

    def likely_loss(self) -> str:
        zone = self.world.zone(self.lab.names.home)
        if len(zone.records("@", "MX")) < 2:
            return "who is impatient gives up after hours: the zone needs a second MX"
        relay = self.world.server(self.lab.names.relay)
        if relay.mta.settings.delivery.expire < HOURS * 3600:
            return "the relay itself gives up before the power is back: delivery.expire"
        return "the relay must take mail for the domain: remote_domains, allow_relay"

    def letter_out(self) -> Evidence:
        found = subjects(self.world.user("dora").inbox)
        mine = [s for s in found if s == self.out_subject]
        if mine != [self.out_subject]:
            raise Failed(
                "Alice's letter at Dora's, once",
                f"{len(mine)}",
                "RFC 5321 §4.5.4.1",
                "hMailServer gives up after four hours, power or not: delivery.expire",
            )
        return {"arrived": mine, "by": self.relays_of(mine[0])}

    def relays_of(self, subject: str) -> list[str]:
        """Who wrote a Received field into this letter, the last one first."""
        inbox = self.world.user("dora").inbox
        content = next(
            m.content for m in inbox.messages if field(m.content, "Subject") == subject
        )
        text = content.partition(b"\r\n\r\n")[0].decode()
        return re.findall(r"\bby (\S+) with", text)

    def mail_for_nobody(self) -> Evidence:
        if not self.refusal.startswith("5"):
            raise Failed(
                "5yz to RCPT for an address that nobody has",
                self.refusal,
                "RFC 5321 §6.2",
                "a backup that takes everything must bounce later, to senders who may "
                "be forged: remote_domains, recipients"
                if self.refusal.startswith("2")
                else "a 4yz lets the sender try for days: the relay does not know this "
                "domain and its people yet",
            )
        reports = {
            name: [s for s in subjects(self.world.user(name).inbox) if "eliver" in s]
            for name in ("bob", "dora")
        }
        if any(reports.values()):
            count = sum(map(len, reports.values()))
            raise Failed(
                "nobody told that a letter could not be delivered",
                f"{count} reports, to {' and '.join(n for n in reports if reports[n])}",
                "RFC 5321 §6.1",
                "what Alice did not get came back to its sender: see the part in",
            )
        return {"reply": self.refusal, "asked for": self.ghost, "reports": reports}


EXERCISES = (
    Exercise(
        *("11.4", 4, "a day without power, and nothing was lost"),
        begin_11_4,
        check_11_4,
        PARTS,
    ),
)
