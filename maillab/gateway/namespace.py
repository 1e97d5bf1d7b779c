"""A Linux namespace: a network, a host name and some files of its own.

Goes in: addresses, ports, files. Comes out: programs that know of nothing else.

Rule 1: one thread lives in the namespace. What it opens belongs there, what it starts
        lives there, and nothing of it is seen on the real computer.
Rule 2: when the thread ends, its programs end, and the namespace is gone. There is
        nothing else to tidy up.
"""

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from maillab.errors import LabError

# linux/sched.h, sys/mount.h
NEW_MOUNTS, NEW_NAME, NEW_NETWORK = 0x20000, 0x4000000, 0x40000000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h
ATTACH_FILTER, DETACH_FILTER = 26, 27  # asm-generic/socket.h: SO_…_FILTER
DROP = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF: return 0 octets of the packet
BACKLOG = 100
TURNS, PAUSE = 20, 0.05  # how often, and how long, we wait for programs to end

Result = TypeVar("Result")


class Namespace:
    """A namespace, and the thread that lives in it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "maillab-namespace")
        self._name = ""  # the kernel's; "" while there is none

    def open(self) -> None:
        """Make it. Raises LabError where the system does not let us."""
        if sys.platform != "linux":
            raise LabError(
                "--netns needs Linux; --live works everywhere (maillab world NAME "
                "--live, then SOCKS5 or a door)"
            )
        try:
            self._name = self.call(enter)
        except PermissionError:
            raise LabError(
                "--netns needs root (CAP_SYS_ADMIN): put sudo before the command, or "
                "`unshare --user --map-root-user` where the system allows it"
            ) from None
        except OSError as error:
            raise LabError(
                f"this system has no namespaces for us ({error.strerror}): use --live "
                f"with SOCKS5 or a door"
            ) from None

    def call(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function in the namespace."""
        return self._thread.submit(function, *args).result()

    def replace_file(self, file: Path, new: Path) -> None:
        """Show `new` where programs look for `file`."""
        if file.exists():
            self.call(mount, new, file, BIND)

    def start(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Start a program that lives there. Raises LabError."""

        def start() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(command, env=environment)

        try:
            return self.call(start)
        except OSError as error:
            raise LabError(f"cannot run {command[0]}: {error.strerror}") from None

    def close(self) -> None:
        """Leave it. Programs that are still there (in the background) are ended."""
        for number in (signal.SIGTERM, signal.SIGKILL) if self._name else ():
            end_programs(self._name, number)
        self._thread.shutdown()


def enter() -> str:
    """Move this thread into a namespace of its own; mounts stay in there.

    Returns the kernel's name of its network.
    """
    system_call("unshare", NEW_NETWORK | NEW_NAME | NEW_MOUNTS)
    system_call("mount", b"none", b"/", None, RECURSIVE | PRIVATE, None)
    return str(Path("/proc/thread-self/ns/net").readlink())


def end_programs(network: str, number: int) -> None:
    """Send a signal to all that live in a network, and give them a little time."""
    for turn in range(TURNS):
        left = list(programs_in(network))
        if not left:
            return
        for pid in left if turn == 0 else ():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(PAUSE)


def programs_in(network: str) -> Iterator[int]:
    """The processes that live in a network (we do not: only a thread of ours does)."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has ended, or is not ours
                if str(Path(folder, "ns", "net").readlink()) == network:
                    yield int(folder.name)


def mount(source: Path, target: Path, flags: int) -> None:
    """mount(2)."""
    system_call("mount", os.fsencode(source), os.fsencode(target), None, flags, None)


def system_call(name: str, *args: Any) -> None:
    """A function of the C library. Raises its OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(arg) if isinstance(arg, int) else arg for arg in args]
    if getattr(library, name)(*words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def open_port(
    kind: socket.SocketKind, address: str, port: int, *, silent: bool = False
) -> socket.socket:
    """A bound socket at an address that may be ours by a route only; TCP listens."""
    v6 = ":" in address
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind)
    try:
        level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
        sock.setsockopt(level, IPV6_FREEBIND if v6 else IP_FREEBIND, 1)
        if kind == socket.SOCK_STREAM:  # old connections need not be forgotten first
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.setblocking(False)
        set_silent(sock, silent)
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def set_silent(sock: socket.socket, silent: bool) -> None:
    """Let the kernel throw away, or not, what comes to a socket.

    Nobody answers then, and a program that connects waits as for a real firewall: a
    BPF program that keeps 0 octets drops even the SYN.
    """
    if silent:
        code = ctypes.create_string_buffer(DROP)
        program = struct.pack("HP", 1, ctypes.addressof(code))
        sock.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
    else:
        with suppress(OSError):  # there was none
            sock.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)
