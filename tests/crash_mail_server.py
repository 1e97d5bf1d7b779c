"""The agents of `maillab serve` in a forked child that is to be killed: `crash_mail`.

Goes in: a folder, open sockets. Comes out: on a pipe, what the child found in the store
(every file is read); then a server, until it is killed or nothing is left to do.
"""

import asyncio
import json
import os
import random
import signal
import ssl
import sys
from pathlib import Path

from maillab.gateway.serving.host import ServingHost
from maillab.gateway.serving.service import MailService, Parts
from maillab.net.sockets import WorldLoop
from maillab.policy.settings import Access, Settings
from maillab.store.accounts import MemoryDirectory
from maillab.store.mail_disk import MailDisk
from maillab.store.mail_store import MailStore
from maillab.store.passwords import Cost, Hasher
from maillab.store.spool import Spool

DOMAIN = "here.example"
ANN, BOB = f"ann@{DOMAIN}", f"bob@{DOMAIN}"
PASSWORD = "tea"
CHEAP = Hasher(random.Random(1), Cost(1, 1, 1))
SETTINGS = Settings(access=Access(plain_login=True, mechanisms=("PLAIN",)))
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
DAMAGED = "a letter that nobody wrote"


def letter(name, flavour=1):
    """What is in a letter can be told from its name."""
    body = (f"{name} ".encode() * 20 + b"\r\n") * flavour
    return b"Subject: %s %d\r\n\r\n" % (name.encode(), flavour) + body


def name_of(content):
    """The letter, without what servers put on top of it."""
    at = content.find(b"Subject: ")
    name, flavour = content[at + 9 :].split(b"\r\n")[0].decode().split()
    whole = content[at:] == letter(name, int(flavour))
    return name if whole else DAMAGED


# What there is ------------------------------------------------------------------------


def found_in(tree):
    """Mailbox -> what is known of it; every file is read."""
    boxes = {box.name: facts(box) for box in tree.mailboxes}
    return {"boxes": boxes, "subscriptions": sorted(tree.subscriptions)}


def facts(box):
    messages = {
        str(one.uid): [name_of(one.content), sorted(one.flags)] for one in box.messages
    }
    return {
        "validity": box.uid_validity,
        "next": box.uid_next,
        "modseq": box.highest_modseq,
        "messages": messages,
    }


def waiting(spool):
    """[letter, recipient] of all that waits."""
    return [
        [name_of(entry.content), str(one.address)]
        for entry in spool.entries.values()
        for one in entry.recipients
    ]


class Deadly(MailDisk):
    """A disk before whose step number `left` somebody kills the server."""

    def __init__(self, left):
        self.left = left

    def step(self, what, path):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


# The server ---------------------------------------------------------------------------


class Child:
    """One server."""

    def __init__(self, folder, say, die_at):
        self.store = MailStore.open(Path(folder) / "mail", disk=Deadly(die_at))
        directory = MemoryDirectory((DOMAIN,), CHEAP, self.store.tree)
        for address in (ANN, BOB):
            directory.add(address, PASSWORD)
        self.loop = WorldLoop()
        self.loop.go_live()
        host = ServingHost(f"mail.{DOMAIN}", self.loop)
        offset = host.now().timestamp() - host.time()
        self.spool = Spool.open(Path(folder) / "queue", offset)
        self.host, self.say = host, say
        self.tell()
        self.service = MailService(Parts(host, directory, SETTINGS, TLS, self.spool))

    def tell(self):
        found = {one: found_in(self.store.tree(one)) for one in (ANN, BOB)}
        problems = [*self.store.problems, *self.spool.damaged]
        self.say({**found, "queue": waiting(self.spool), "problems": problems})

    async def serve(self, sockets):
        self.service.mta.start()
        for name, socket in sockets.items():
            await self.host.accept([socket], name, self.service.service(name))
        if sockets:
            await asyncio.Event().wait()
        while self.spool.entries:
            await asyncio.sleep(0)
        self.tell()


def fork(folder, sockets, die_at=0):
    """A child; returns its process id and where it speaks. `die_at`: see `Deadly`."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    try:
        child = Child(
            folder,
            lambda value: os.write(writing, json.dumps(value).encode() + b"\n"),
            die_at,
        )
        child.loop.run_until_complete(child.serve(sockets))
        os._exit(0)
    except BaseException:  # noqa: BLE001  (a forked child must not go on)
        sys.excepthook(*sys.exc_info())
    os._exit(1)
