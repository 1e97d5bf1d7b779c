"""Answers to exercises 2.1 and 2.2 of notebook 02: right ones, and mistakes."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty, handing_in

State = dict[str, Any]
Machine = Callable[[State, str], Any]

# 2.1 ----------------------------------------------------------------------------------


class StepByStep:
    """The machine, with some of the mistakes that are made."""

    def __init__(self, mailboxes: list[str], *mistakes: str) -> None:
        self.mailboxes = mailboxes
        self.mistakes = mistakes

    def __call__(self, state: State, line: str) -> str:
        verb, _, argument = line.strip().partition(" ")
        if "case" not in self.mistakes:
            verb = verb.upper()
        handlers = {
            "EHLO": self.hello,
            "HELO": self.hello,
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": self.rset,
        }
        if verb in handlers:
            return handlers[verb](state, argument)
        simple = {"NOOP": "250 2.0.0", "VRFY": "252 2.0.0", "QUIT": "221 2.0.0"}
        return simple.get(verb, "500 5.5.2") + " So it is"

    def hello(self, state: State, argument: str) -> str:
        if not argument:
            return "501 5.5.4 Who are you?"
        if "hello" not in self.mistakes:
            self.rset(state)
        state["hello"] = argument
        return "250-Welcome\r\n250 " + argument

    def rset(self, state: State, _argument: str = "") -> str:
        state.pop("reverse_path", None)
        if "rset" not in self.mistakes:
            state.pop("forward_paths", None)
        return "250 2.0.0 Forgotten"

    def mail(self, state: State, argument: str) -> str:
        begun = "reverse_path" in state and "nested" not in self.mistakes
        found = re.fullmatch(r"FROM:<([^>]*)>(.*)", argument, re.IGNORECASE)
        early = "hello" not in state or begun
        if early and (found or "syntax first" not in self.mistakes):
            return "503 5.5.1 Not now"
        if not found:
            return "501 5.5.4 Syntax"
        if found[2] and "parameters" not in self.mistakes:
            return "555 5.5.4 No parameters"
        state["reverse_path"] = found[1]
        state.setdefault("forward_paths", [])
        return "250 2.1.0 Fine"

    def rcpt(self, state: State, argument: str) -> str:
        sender = state.get("reverse_path")
        if sender is None or ("null" in self.mistakes and not sender):
            return "503 5.5.1 MAIL first"
        found = re.fullmatch(r"TO:<([^>]+)>", argument, re.IGNORECASE)
        return self.add(state, found[1]) if found else "501 5.5.4 Syntax"

    def add(self, state: State, address: str) -> str:
        if "lower" not in self.mistakes:
            address = address.lower()
        if address.lower() == "postmaster" and "postmaster" not in self.mistakes:
            address = self.mailboxes[-1]
        known = address in self.mailboxes
        if known or "keep" in self.mistakes:
            state["forward_paths"].append(address)
        if not known and "give up" in self.mistakes:
            self.rset(state)
        return "250 2.1.5 Fine" if known else "550 5.1.1 Nobody"

    def data(self, state: State, _argument: str) -> str:
        return "354 Go" if state.get("forward_paths") else "554 5.5.1 Nobody wants it"


class ByTable:
    """The same in another way: a phase, and a table of what is legal in it."""

    legal: ClassVar = {"MAIL": "G", "RCPT": "MR", "DATA": "R"}
    fixed: ClassVar = {
        "RSET": "250 ok",
        "NOOP": "250 ok",
        "VRFY": "252 ok",
        "QUIT": "221 bye",
        "DATA": "354 go",
    }

    def __init__(self, mailboxes: list[str]) -> None:
        self.mailboxes = mailboxes

    def __call__(self, state: State, line: str) -> str:
        phase = state.setdefault("phase", "C")
        verb, *words = line.split() or [""]
        verb = verb.upper()
        if phase not in self.legal.get(verb, "CGMR"):
            return "503 Bad sequence"
        if verb in ("EHLO", "HELO") and not words:
            return "501 name?"
        if verb in ("EHLO", "HELO", "RSET"):
            state["phase"] = "C" if (verb, phase) == ("RSET", "C") else "G"
            return "250 hi"
        if verb == "MAIL":
            return self.begin(state, " ".join(words))
        if verb == "RCPT":
            return self.add(state, " ".join(words).lower())
        return self.fixed.get(verb, "500 what?")

    def begin(self, state: State, argument: str) -> str:
        path, _, more = argument[5:].partition(" ")
        if argument[:5].upper() != "FROM:" or path[:1] + path[-1:] != "<>":
            return "501 FROM:<address>"
        if more:
            return "555 none"
        state.update(phase="M", reverse_path=path[1:-1], forward_paths=[])
        return "250 ok"

    def add(self, state: State, argument: str) -> str:
        path = argument[3:]
        if argument[:3] != "to:" or path[:1] + path[-1:] != "<>" or path == "<>":
            return "501 TO:<address>"
        if path[1:-1] not in [*self.mailboxes, "postmaster"]:
            return "550 no"
        state["forward_paths"] += [path[1:-1]]
        state["phase"] = "R"
        return "250 ok"


def machine(maker: Callable[..., Machine], *mistakes: str) -> Answer:
    def answer(lab: Lab, task: Task) -> Any:
        return maker(task.mailboxes, *mistakes)

    answer.__name__ = "_".join([maker.__name__, *mistakes])
    return answer


def one_memory_for_all(mailboxes: list[str]) -> Machine:
    """A global variable instead of the state."""
    right, memory = StepByStep(mailboxes), dict[str, Any]()

    def on_command(state: State, line: str) -> Any:
        if line.strip().upper() == "QUIT":
            memory.clear()
            return "221 bye"
        reply = right(memory, line)
        state.update(memory)
        return reply

    return on_command


def empty_machine(state: State, line: str) -> str:
    return "500 5.5.2 I do not know that"


def that_says_nothing(state: State, line: str) -> None:
    return None


def that_raises(state: State, line: str) -> str:
    return {"EHLO": "250 ok"}[line.split()[0]]


# 2.2 ----------------------------------------------------------------------------------


class ByPartition:
    """Everything that came, and a look for the end in it."""

    end = b"\r\n.\r\n"

    def __init__(self) -> None:
        self.arrived = b"\r\n"
        self.rest = b""

    def feed(self, octets: bytes) -> bytes | None:
        self.arrived += octets
        text, end, rest = self.arrived.partition(self.end)
        if not end:
            return None
        self.rest = rest
        return self.letter(text + b"\r\n")

    def letter(self, text: bytes) -> bytes:
        return text.replace(b"\r\n.", b"\r\n")[2:]


class LineByLine:
    """Lines, each when all of it is here."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.rest = b""

    def feed(self, octets: bytes) -> bytearray | None:
        self.rest += octets
        while b"\r\n" in self.rest:
            line, self.rest = self.rest.split(b"\r\n", 1)
            if line == b".":
                return bytearray(b"".join(self.lines))
            self.lines.append(line[line[:1] == b"." :] + b"\r\n")
        return None


class EmptyReader:
    def __init__(self) -> None:
        self.rest = b""

    def feed(self, octets: bytes) -> bytes | None:
        return None


class KeepsTheDots(ByPartition):
    def letter(self, text: bytes) -> bytes:
        return text[2:]


class ReplacesAllDots(ByPartition):
    def letter(self, text: bytes) -> bytes:
        return text.replace(b"..", b".")[2:]


class LosesTheRest(ByPartition):
    def feed(self, octets: bytes) -> bytes | None:
        letter = super().feed(octets)
        self.rest = b""
        return letter


class NoEmptyLetter(ByPartition):
    def __init__(self) -> None:
        super().__init__()
        self.arrived = b""

    def letter(self, text: bytes) -> bytes:
        return (b"\r\n" + text).replace(b"\r\n.", b"\r\n")[2:]


class LosesTheLastLineEnd(ByPartition):
    def letter(self, text: bytes) -> bytes:
        return super().letter(text)[:-2]


class ForgetsThePieces(ByPartition):
    """Looks for the end in what came last."""

    def __init__(self) -> None:
        super().__init__()
        self.before = b""

    def feed(self, octets: bytes) -> bytes | None:
        start = b"" if self.before else b"\r\n"
        text, end, rest = (start + octets).partition(self.end)
        if not end:
            self.before += start + octets
            return None
        self.rest = rest
        return self.letter(self.before + text + b"\r\n")


class UnstuffsEachPiece(ByPartition):
    """Deletes dots piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.text = b""

    def feed(self, octets: bytes) -> bytes | None:
        letter = super().feed(octets)
        self.text += octets.replace(b"\r\n.", b"\r\n")
        if letter is None or len(octets) == len(self.arrived) - 2:
            return letter
        return self.text[: len(letter)]


class BySplitlines:
    """Every line end of Python ends a line."""

    def __init__(self) -> None:
        self.arrived = b""
        self.rest = b""

    def feed(self, octets: bytes) -> bytes | None:
        self.arrived += octets
        found = b""
        lines = self.arrived.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.rstrip(b"\r\n") == b"." and line != b".":
                self.rest = b"".join(lines[number + 1 :])
                return found
            found += line[line[:1] == b"." :]
        return None


class ForgivesLineFeeds(ByPartition):
    """As servers were before December 2023."""

    def feed(self, octets: bytes) -> bytes | None:
        self.arrived += octets
        found = re.search(rb"\r?\n\.\r?\n", self.arrived)
        if not found:
            return None
        self.rest = self.arrived[found.end() :]
        return self.letter(self.arrived[: found.start()] + b"\r\n")


class SpeaksText(ByPartition):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def feed(self, octets: bytes) -> bytes | None:
        self.text += octets.decode("ascii")
        return super().feed(octets)


ANSWERS = {
    "2.1": Answers(
        right=[machine(StepByStep), machine(ByTable)],
        wrong=[
            (empty, "a function on_command(state, line)"),
            (handing_in(empty_machine), "expected 250 in answer to 'EHLO"),
            (handing_in(that_says_nothing), "None, which is no reply"),
            (handing_in(that_raises), "begins with three digits"),
            (machine(StepByStep, "case"), "verbs have no case"),
            (machine(StepByStep, "hello"), "forget sender and recipients"),
            (machine(StepByStep, "rset"), "forget sender and recipients"),
            (machine(StepByStep, "nested"), "MAIL may not come twice"),
            (machine(StepByStep, "syntax first"), "whether the command may come now"),
            (machine(StepByStep, "parameters"), "announced no extension"),
            (machine(StepByStep, "null"), "null reverse-path is an empty text"),
            (machine(StepByStep, "lower"), "compare lower()"),
            (machine(StepByStep, "postmaster"), "RFC 5321 §4.5.1"),
            (machine(StepByStep, "keep"), "DATA needs a recipient"),
            (machine(StepByStep, "give up"), "does not end the transaction"),
            (machine(one_memory_for_all), "a memory of its own"),
        ],
    ),
    "2.2": Answers(
        right=[handing_in(ByPartition), handing_in(LineByLine)],
        wrong=[
            (empty, "a class DataReader"),
            (handing_in(EmptyReader), "as soon as its last octets have come"),
            (handing_in(KeepsTheDots), "that dot is deleted"),
            (handing_in(ReplacesAllDots), "only a dot at the beginning"),
            (handing_in(LosesTheRest), "letters with good line ends"),
            (handing_in(NoEmptyLetter), "a letter may be empty"),
            (handing_in(LosesTheLastLineEnd), "the letter's last line"),
            (handing_in(ForgetsThePieces), "TCP cuts anywhere"),
            (handing_in(UnstuffsEachPiece), "TCP cuts anywhere"),
            (handing_in(BySplitlines), "a second one is smuggled in"),
            (handing_in(ForgivesLineFeeds), "a second one is smuggled in"),
            (handing_in(SpeaksText), "feed gets octets"),
        ],
    ),
}
