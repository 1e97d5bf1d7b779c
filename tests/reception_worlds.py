"""Talking to a server of a small world by hand, and asking it why."""

import base64
import shutil
from pathlib import Path

from maillab.world.files import LAB_FOLDERS, load
from maillab.world.why import Why
from maillab.world.world import World

ALPHA, BETA = "mail.alpha.example", "mx.beta.example"
ALICE, BOB = "alice@alpha.example", "bob@beta.example"
HELLO = "EHLO pc.example"
FROM, TO = f"MAIL FROM:<{BOB}>", f"RCPT TO:<{ALICE}>"
TEXT = ("Subject: Hello", "", "Hi", ".")


def ask(world: World, *lines: str, port: int = 25, host: str = "bob-pc") -> list[str]:
    """The replies of alpha's server to some lines, from the greeting on."""
    with world.console(host, ALPHA, port) as console:
        return [console.greeting, *map(console.say, lines)]


def mail(world: World, *recipients: str, sender: str = BOB, host: str = "bob-pc"):
    """Hand one message in: the replies to RCPT, and to the final dot if it came."""
    with world.console(host, ALPHA, 25) as console:
        console.say(HELLO)
        said = console.say(f"MAIL FROM:<{sender}>")
        if not said.startswith("250"):
            return [said]
        replies = [console.say(f"RCPT TO:<{one}>") for one in recipients]
        if console.say("DATA").startswith("354"):
            replies.append(console.say(*TEXT))
        return replies


def plain(user: str, password: str) -> str:
    """AUTH PLAIN with an initial response (RFC 4616 §2)."""
    text = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return f"AUTH PLAIN {text}"


LOGIN = plain(ALICE, "rabbit-hole")


def explained(world: World, setting: str, rfc: str, text: str = "") -> Why:
    """What `world.why` says, which must name all that decided."""
    why = world.why(text, server=ALPHA)
    assert why.refusal.setting == setting
    assert why.refusal.rule
    assert why.refusal.ref.startswith(rfc)
    assert why.origin
    shown = " ".join(why.text().split())
    for part in (setting, why.refusal.rule, why.origin, rfc):
        assert part in shown
    return why


def subjects(world: World, who: str) -> list[str]:
    """Of the letters in somebody's INBOX."""
    contents = [one.content for one in world.mailbox(who).messages]
    return [c.partition(b"Subject: ")[2].partition(b"\r")[0].decode() for c in contents]


def written_file(folder: Path, toml: str, **changes: tuple[str, str]) -> Path:
    """The two domains with more text in their scenario file."""
    lab = next(labs / "two-domains" for labs in LAB_FOLDERS if labs.is_dir())
    shutil.copytree(lab, folder / "written")
    file = folder / "written" / "world.toml"
    text = file.read_text("utf-8")
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text + toml, "utf-8")
    return file


def written_world(folder: Path, toml: str, **changes: tuple[str, str]) -> World:
    """A running world of `written_file`."""
    return World(load(written_file(folder, toml, **changes)))
