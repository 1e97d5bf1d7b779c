"""Exercise 7.1 of notebook 07: find the passwords in a capture."""

import base64
import hmac
from collections.abc import Callable

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence
from maillab.world.console import Console

TRAVELLERS = ("anna", "ben", "clara", "dirk", "emma", "felix")
PLACE = "cafe-router/inside"


def begin_7_1(lab: Lab) -> Task:
    """Six travellers log in, each in another way, which the seed decides."""
    for name in TRAVELLERS:
        enrol(lab, name)
    for name, way in assigned(lab).items():
        way(lab, name)
    return Task(
        "7.1",
        "Whose password can be read?",
        travellers=TRAVELLERS,
        place=PLACE,
    )


def enrol(lab: Lab, name: str) -> None:
    people = lab.world.directory(lab.names.domain)
    if f"{name}@{lab.names.domain}" not in lab.world.users:
        people.create_user(name, password(lab, name))


def password(lab: Lab, name: str) -> str:
    return "-".join(lab.words(f"7.1 {name}", 2))


def assigned(lab: Lab) -> dict[str, Callable[[Lab, str], None]]:
    names = list(TRAVELLERS)
    lab.random("7.1 ways").shuffle(names)
    return dict(zip(names, WAYS, strict=True))


# Six ways -----------------------------------------------------------------------------


def connect(lab: Lab, port: int) -> Console:
    return lab.examine("phone", lab.names.server, port)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def by_pop3(lab: Lab, name: str) -> None:
    with connect(lab, 110) as console:
        console.say(f"USER {name}")
        console.say(f"PASS {password(lab, name)}")
        console.say("STAT")
        console.say("QUIT")


def by_imap_literal(lab: Lab, name: str) -> None:
    word = password(lab, name)
    with connect(lab, 143) as console:
        console.say(f"a LOGIN {name} {{{len(word)}}}")
        console.say(word)
        console.say("b LOGOUT")


def by_auth_plain(lab: Lab, name: str) -> None:
    with connect(lab, 587) as console:
        console.say("EHLO phone")
        console.say("AUTH PLAIN " + encoded(f"\0{name}\0{password(lab, name)}"))
        console.say("QUIT")


def by_auth_login(lab: Lab, name: str) -> None:
    with connect(lab, 587) as console:
        console.say("EHLO phone")
        console.say("AUTH LOGIN")
        console.say(encoded(name))
        console.say(encoded(password(lab, name)))
        console.say("QUIT")


def by_cram_md5(lab: Lab, name: str) -> None:
    """A proof that one knows the password, and not the password (RFC 2195 §2)."""
    with connect(lab, 587) as console:
        console.say("EHLO phone")
        challenge = base64.b64decode(console.say("AUTH CRAM-MD5")[4:])
        digest = hmac.new(password(lab, name).encode(), challenge, "md5").hexdigest()
        console.say(encoded(f"{name} {digest}"))
        console.say("QUIT")


def inside_tls(lab: Lab, name: str) -> None:
    with connect(lab, 110) as console:
        console.say("STLS")
        console.start_tls()
        console.say(f"USER {name}")
        console.say(f"PASS {password(lab, name)}")
        console.say("QUIT")


READABLE = (by_pop3, by_imap_literal, by_auth_plain, by_auth_login)
WAYS = (*READABLE, by_cram_md5, inside_tls)
NAMES = {
    by_pop3: ("PASS", "RFC 1939 §7"),
    by_imap_literal: ("LOGIN with a literal", "RFC 9051 §4.3"),
    by_auth_plain: ("AUTH PLAIN", "RFC 4616 §2"),
    by_auth_login: ("AUTH LOGIN", "RFC 4954 §4"),
}


# The check ----------------------------------------------------------------------------


def check_7_1(lab: Lab, found: object = None) -> Evidence:
    lab.task("7.1")
    if not isinstance(found, dict) or not found:
        raise Failed("a table {name: password}", repr(found)[:60])
    told = {str(name): str(word) for name, word in found.items()}
    ways = assigned(lab)
    demand_known_names(told)
    for name, word in sorted(told.items()):
        if ways[name] not in READABLE:
            raise Failed(
                f"nothing of {name}, whose password is in no packet in clear",
                repr(word)[:60],
                "RFC 2195 §2" if ways[name] is by_cram_md5 else "RFC 2595 §4",
                "behind STLS come records of TLS; CRAM-MD5 sends a digest of a "
                "challenge, from which nobody gets the password back",
            )
        if word != password(lab, name):
            raise misread(lab, name, word)
    for name, way in ways.items():
        if way in READABLE and name not in told:
            verb, see = NAMES[way]
            raise Failed(
                f"four passwords; one more stands in a session with {verb}",
                f"{len(told)}",
                see,
                "look at the octets of every session, on both sides of a line break",
            )
    return {"read": sorted(told.items())}


def demand_known_names(told: dict[str, str]) -> None:
    strangers = sorted(set(told) - set(TRAVELLERS))
    if strangers:
        raise Failed(
            "names of task.travellers as keys",
            repr(strangers[0])[:60],
            "RFC 4616 §2",
            "a user's name may be in base64, too",
        )


def misread(lab: Lab, name: str, word: str) -> Failed:
    verb, see = NAMES[assigned(lab)[name]]
    perhaps = ""
    if set(word) <= {"*"}:
        perhaps = "views mask secrets on purpose; take the octets: session.wire('C')"
    elif word in (
        encoded(password(lab, name)),
        encoded(f"\0{name}\0{password(lab, name)}"),
    ):
        perhaps = "base64 hides nothing: base64.b64decode(…)"
    elif password(lab, name) in word:
        perhaps = "there is more in it than the password: split at the zero octets"
    return Failed(
        f"the password of {name}, sent by {verb}", repr(word)[:60], see, perhaps
    )


EXERCISES = (
    Exercise(
        "7.1", 3, "every password that can be read was read", begin_7_1, check_7_1
    ),
)
