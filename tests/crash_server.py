"""A mail server with a queue on disk that dies on command: for `test_spool_crash`.

Runs as a program. For each line of JSON on its input it forks a server:

    {"folder": "…", "die_at": 7, "closed_port": 4321, "drain": false}

die_at  the step of the spool's disk before which the process ends; a write ends halfway
drain   take no mail; end when nothing in the queue is for a local recipient

and says "port PORT PID", and at the end of that server "ended STATUS".
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from maillab.agents.mta import MTA
from maillab.agents.reception import SMTPReception
from maillab.agents.relay import Relay
from maillab.gateway.real import RealHost
from maillab.net.sockets import WorldLoop
from maillab.policy.settings import Settings, SmartHost
from maillab.store.accounts import MemoryDirectory
from maillab.store.disk import RealDisk
from maillab.store.folders import DiskFolder
from maillab.store.spool import Spool
from maillab.store.spool_lock import SpoolLock

DOMAIN = "here.example"
DIED = 77  # exit status of a death that was ordered


class DyingDisk(RealDisk):
    """Ends the process before a given step."""

    def __init__(self, path, die_at):
        super().__init__(path)
        self.left = die_at

    def dies_now(self):
        self.left -= 1
        return self.left == 0

    def write(self, name, data):
        if self.dies_now():
            super().write(name, data[: len(data) // 2])
            os._exit(DIED)
        super().write(name, data)

    def append(self, name, data):
        if self.dies_now():
            super().append(name, data[: len(data) // 2])
            os._exit(DIED)
        super().append(name, data)


def dying(name):
    def step(self, *args):
        if self.dies_now():
            os._exit(DIED)
        return getattr(RealDisk, name)(self, *args)

    return step


for step_name in ("truncate", "sync", "rename", "remove", "sync_names"):
    setattr(DyingDisk, step_name, dying(step_name))


def make_mta(host, order):
    folder = Path(order["folder"])
    directory = MemoryDirectory((DOMAIN,))
    directory.add(f"ann@{DOMAIN}", "tea")
    offset = host.now().timestamp() - host.time()
    disk = DyingDisk(folder / "Queue", order["die_at"])
    mta = MTA(
        host, f"mail.{DOMAIN}", directory, Relay(host, "x", None), Spool(disk, offset)
    )
    folders = [DiskFolder(folder / name) for name in ("Pickup", "Drop", "Badmail")]
    mta.mailroot.use_disk(*folders)
    smart = SmartHost("[127.0.0.1]", order["closed_port"], tls="none")
    delivery = replace(Settings().delivery, drop_folder=True, smart_host=smart)
    relay = replace(Settings().relay, open=True)
    mta.settings = Settings(delivery=delivery, relay=relay)
    return mta


async def serve(host, order):
    mta = make_mta(host, order)
    mta.start()
    if order["drain"]:
        say("port", 0, os.getpid())
        while any(waits_here(entry) for entry in mta.queue.entries.values()):
            await asyncio.sleep(0)
        return
    listener = await host.listen(0, SMTPReception(mta).serve)
    say("port", listener.port, os.getpid())
    await asyncio.Event().wait()


def waits_here(entry):
    return any(one.address.domain == DOMAIN for one in entry.recipients)


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def run(order):
    lock = SpoolLock(Path(order["folder"]) / "lock")
    loop = WorldLoop()
    loop.go_live()
    host = RealHost(f"mail.{DOMAIN}", loop)
    loop.run_until_complete(serve(host, order))
    lock.release()


def main():
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                run(json.loads(line))
            except BaseException:  # noqa: BLE001  (a forked child must not go on)
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        say("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
