"""Seeded POP3 sessions, and what the answers of a server to them mean.

Goes in: a seed, a port. Comes out: commands, and facts that two servers must share. Not
compared: texts for people, unique-ids themselves (they are "arbitrary", RFC 1939 §7:
each gets the number of its message), capabilities beyond those that both must have.
"""

import random
import socket
from collections.abc import Callable

LENGTH = 14
GOOD = ("1", "2", "3", "4", "5")
BAD = ("9", "0", "x", "", "-1", "1 2", "99999999999999999999")
NUMBERS = (*GOOD * 4, *BAD)
LINES = ("0", "1", "3", "999", "999", "x")
WRONG = (
    "XYZZY", "USER ann", "PASS x", "STAT x", "NOOP x", "", "APOP a b", "TOP",
    "STLS", "AUTH NONSENSE", "RETR  1", "retr 1", "CAPA x",
)  # fmt: skip
COMMON = {"TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"}


def sequence(seed: int) -> list[str]:
    """One session; it ends with QUIT, or without."""
    dice = random.Random(f"pop3 {seed}")
    makers: tuple[tuple[Callable[[], str], int], ...] = (
        (lambda: f"RETR {dice.choice(NUMBERS)}".strip(), 6),
        (lambda: f"TOP {dice.choice(NUMBERS[:-5])} {dice.choice(LINES)}", 5),
        (lambda: f"DELE {dice.choice(NUMBERS)}".strip(), 4),
        (lambda: f"LIST {dice.choice(NUMBERS)}".strip(), 3),
        (lambda: f"UIDL {dice.choice(NUMBERS)}".strip(), 3),
        (lambda: dice.choice(("STAT", "LIST", "UIDL", "NOOP", "CAPA")), 5),
        (lambda: "RSET", 1),
        (lambda: dice.choice(WRONG), 2),
    )
    kinds = [maker for maker, _ in makers]
    weights = [weight for _, weight in makers]
    said = [dice.choices(kinds, weights)[0]() for _ in range(LENGTH)]
    return [*said, "QUIT"] if dice.random() < 0.75 else said


class Session:
    """A POP3 session of a user."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")
        self.errors = 0
        self._names: dict[bytes, int] = {}
        assert self._file.readline().startswith(b"+OK")
        assert self.say(f"USER {user}")[0] == "+OK"
        assert self.say(f"PASS {password}")[0] == "+OK"
        self.uids = self.say("UIDL")

    def say(self, command: str) -> tuple[object, ...]:
        """Say a command; what the answer means."""
        try:
            self._socket.sendall(command.encode() + b"\r\n")
            line = self._file.readline()
        except ConnectionError:
            line = b""
        if not line:
            return ("closed",)
        status, _, text = line.rstrip(b"\r\n").partition(b" ")
        verb = command.split(" ")[0].upper()
        if status != b"+OK":
            self.errors += 1
            code = text[: text.find(b"]") + 1] if text.startswith(b"[") else b""
            return status.decode(), code.decode()
        many = verb in ("RETR", "TOP", "CAPA") or command.strip() in ("LIST", "UIDL")
        found = self._lines() if many else [text]
        return "+OK", *self._meaning(verb, found, many=many)

    def _lines(self) -> list[bytes]:
        found: list[bytes] = []
        while (line := self._file.readline()) != b".\r\n":
            assert line.endswith(b"\r\n"), line
            found.append(line.removeprefix(b"."))
        return found

    def _meaning(self, verb: str, found: list[bytes], *, many: bool) -> list[object]:
        match verb:
            case "CAPA":
                names = {one.split()[0].decode().upper() for one in found}
                return sorted(COMMON & names)
            case "UIDL":
                return [self._named(one) for one in found]
            case "RETR" | "TOP":
                return [b"".join(found)]
            case "STAT" | "LIST":
                return [one.split()[:2] for one in found]
            case _:
                return []

    def _named(self, line: bytes) -> tuple[int, int]:
        number, unique = line.split()
        assert 1 <= len(unique) <= 70, "RFC 1939 §7"
        assert all(0x21 <= one <= 0x7E for one in unique)
        first = self._names.setdefault(unique, int(number))
        return int(number), first

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()
