"""Exercise 11.1 of notebook 11: a relay in the cloud that serves its own users only."""

from dataclasses import replace

from maillab.errors import LabError
from maillab.grading import Exercise, Failed, Lab, Part, Task, attempt
from maillab.grading.exercise import Evidence
from maillab.grading.letters import subjects
from maillab.wire.sasl_values import encode
from maillab.world.console import Console

ACCOUNT = "home"
RIGHT, WRONG = "235", "535"
PROBES = (("vps-next-door", 25), ("stranger", 25), ("stranger", 587), ("alice-pc", 587))
PARTS = (
    Part("strangers", 2, "nobody relays without a login"),
    Part("secrets", 1, "no password is taken in clear"),
    Part("members", 2, "the account relays, by TLS and AUTH"),
)


def begin_11_1(lab: Lab) -> Task:
    lab.restore(lab.names.relay)
    forget_account(lab)
    lab.fill_inbox("bob", [])
    return Task(
        "11.1",
        "A relay for its own users",
        relay=lab.names.relay,
        domain=lab.names.relay_domain,
        user=f"{ACCOUNT}@{lab.names.relay_domain}",
        password=password(lab),
    )


def password(lab: Lab) -> str:
    return "-".join(lab.words("11 account", 3))


def forget_account(lab: Lab) -> None:
    directory = lab.world.directory(lab.names.relay_domain)
    try:
        directory.delete_user(ACCOUNT)
    except LabError:
        return  # there was none


def check_11_1(lab: Lab) -> dict[str, Evidence | Failed]:
    lab.task("11.1")
    checks = {"strangers": strangers, "secrets": secrets, "members": members}
    return {name: attempt(check, lab) for name, check in checks.items()}


# Strangers ----------------------------------------------------------------------------


def strangers(lab: Lab) -> Evidence:
    """From three places: mail for elsewhere is refused."""
    word, elsewhere = lab.words("11.1 strangers", 2)
    recipient = f"{word}@{elsewhere}.example"
    said: dict[str, str] = {}
    for host, port in PROBES:
        said[f"{host}:{port}"] = reply_to_rcpt(lab, host, port, recipient)
    taken = [where for where, reply in said.items() if reply.startswith("2")]
    if taken:
        raise Failed(
            f"mail for {recipient} refused to who did not log in",
            f"it was taken from {taken[0]}: {said[taken[0]]}",
            "RFC 5321 §7.9",
            "relay.networks lets the whole subnet relay (mynetworks_style = subnet); "
            "who rents the machine next door is not one of your users",
            event=lab.world.trace.of_kind("line")[-1],
        )
    demand_own_mail(lab)
    return {"refused": sorted(said), "for": recipient}


def reply_to_rcpt(lab: Lab, host: str, port: int, recipient: str) -> str:
    with lab.examine(host, lab.names.relay, port) as console:
        console.say(f"EHLO {host}")
        sender = console.say(f"MAIL FROM:<someone@{lab.names.home}>")
        if not sender.startswith("2"):
            return code_of(sender)
        return code_of(console.say(f"RCPT TO:<{recipient}>"))


def code_of(reply: str) -> str:
    """Code and enhanced code: the text may differ."""
    words = reply.split()
    return " ".join(words[: 2 if words[1:2] and words[1].count(".") == 2 else 1])


def demand_own_mail(lab: Lab) -> None:
    """The door is not closed: the domain's own mail still comes in."""
    recipient = f"postmaster@{lab.names.relay_domain}"
    with lab.examine("stranger", lab.names.relay, 25) as console:
        console.say("EHLO stranger")
        reply = console.say("MAIL FROM:<>")
        if reply.startswith("2"):
            reply = console.say(f"RCPT TO:<{recipient}>")
    if not reply.startswith("2"):
        raise Failed(
            f"mail for {recipient} taken at port 25 from anybody",
            reply,
            "RFC 5321 §4.5.1",
            "an MX takes mail for its own domain without a login; only relaying needs "
            "one",
        )


# Secrets ------------------------------------------------------------------------------


def secrets(lab: Lab) -> Evidence:
    """Before TLS no mechanism is offered, and a password is not even looked at."""
    user = lab.task("11.1").user
    offered: dict[str, bool] = {}
    replies: dict[str, str] = {}
    for port in (25, 587):
        with lab.examine("stranger", lab.names.relay, port) as console:
            offered[str(port)] = "AUTH" in console.say("EHLO stranger")
            replies[str(port)] = code_of(log_in(console, user, password(lab)))
    if any(offered.values()) or any(r.startswith("2") for r in replies.values()):
        raise Failed(
            "no AUTH before STARTTLS",
            f"AUTH in the reply to EHLO, and {replies['587']} to a login in clear",
            "RFC 4954 §4",
            "access.plain_login takes passwords in clear; whoever carries the packets "
            "reads them",
        )
    return {"refused in clear": sorted(replies), "login": user}


def log_in(console: Console, user: str, word: str) -> str:
    return console.say("AUTH PLAIN " + encode(f"\0{user}\0{word}".encode()).decode())


# Members ------------------------------------------------------------------------------


def members(lab: Lab) -> Evidence:
    """The account submits a letter inside TLS; a wrong password does not."""
    task = lab.task("11.1")
    subject = " ".join(lab.words("11.1 letter", 3))
    refused, accepted, reply = submit(lab, subject)
    if accepted != RIGHT:
        raise Failed(
            f"{RIGHT} to AUTH PLAIN of {task.user} inside TLS at port 587",
            accepted,
            "RFC 4954 §6",
            "the account does not exist, or has another password: "
            "world.directory(task.domain).create_user",
        )
    if refused != WRONG:
        raise Failed(f"{WRONG} to a wrong password", refused, "RFC 4954 §6")
    lab.world.settle()
    found = [s for s in subjects(lab.world.user("bob").inbox) if s == subject]
    if not found:
        raise Failed(
            f"the letter of {task.user} in Bob's mailbox",
            f"{reply} to its end, and no letter",
            "RFC 6409 §3.1",
            "relay.authenticated must stay on: it is what the login is for",
        )
    return {"delivered": found[0], "wrong password": refused, "login": task.user}


def submit(lab: Lab, subject: str) -> tuple[str, str, str]:
    """The replies to a wrong password, to the right one, and to a letter."""
    task = lab.task("11.1")
    with lab.examine(lab.names.home_server, lab.names.relay, 587) as console:
        console.say("EHLO home")
        if not console.say("STARTTLS").startswith("220"):
            raise Failed("220 to STARTTLS at port 587", "no TLS", "RFC 3207 §4")
        console.start_tls()
        console.say("EHLO home")
        refused = code_of(log_in(console, task.user, "wrong" + password(lab)))
        accepted = code_of(log_in(console, task.user, task.password))
        console.say(f"MAIL FROM:<alice@{lab.names.home}>")
        reply = console.say("RCPT TO:<bob@bigmail.example>")
        if reply.startswith("2"):
            console.say("DATA")
            reply = console.say(f"Subject: {subject}", "", "By relay.", ".")
    return refused[:3], accepted[:3], code_of(reply)


EXERCISES = (
    Exercise(
        *("11.1", 5, "a relay for its own users, and for nobody else"),
        begin_11_1,
        check_11_1,
        PARTS,
    ),
)


def build_relay(lab: Lab) -> None:
    """What 11.1 asks for, for the exercises behind it."""
    lab.restore(lab.names.relay)
    server = lab.world.server(lab.names.relay)
    settings = server.mta.settings
    server.mta.settings = replace(
        settings,
        access=replace(settings.access, plain_login=False),
        relay=replace(settings.relay, networks=()),
    )
