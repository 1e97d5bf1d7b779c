"""How an IMAP server reads commands: lines, and the literals between them.

Goes in: bytes. Comes out: whole commands for `IMAPServer`, in one piece.

Rule 1: memory is bounded: by the length of a line, of all lines of a command, and of
        all its literals. What is refused is not kept, and what is compressed comes out
        a piece at a time.
Rule 2: a literal that was refused is never read as commands: it is skipped if the
        client did not wait for our word (RFC 7888 §4), and not sent if it did.
Rule 3: passwords are marked as secret when they are heard, not later.
"""

from collections import deque
from dataclasses import dataclass, replace

from maillab.protocol.engine import Event, Pause
from maillab.protocol.imap_server_commands import RFC_OF, Continue, State, Steps
from maillab.protocol.imap_server_compression import BrokenStream, Deflate
from maillab.protocol.imap_server_options import IMAPServerOptions
from maillab.protocol.imap_server_secrets import Spans, secret_spans
from maillab.protocol.server import Server
from maillab.wire.imap import (
    BadSyntax,
    Scanner,
    Status,
    announced_literal,
    bad,
    no,
    split_literals,
)
from maillab.wire.lines import CRLF, LineTooLong

LINE_BEFORE_LOGIN = 12_290  # octets with CRLF: a SASL response (RFC 4954 §4.4) fits
LINE_AFTER_LOGIN = 65_536  # RFC 2683 §3.2.1.5 asks for at least 8000
LITERALS_BEFORE_LOGIN = 8_192  # octets of all literals of one command
LITERALS_AFTER_LOGIN = 65_536
SHORT_LITERAL = 4_096  # octets of one that does not wait, with LITERAL- (RFC 7888 §5)
SKIPPED = 100 * 1024 * 1024  # octets of a refused literal; for more there is BYE
INFLATED_AT_ONCE = 1024 * 1024  # octets; then others have a turn
WITH_MESSAGES = frozenset({"APPEND", "REPLACE"})


@dataclass(slots=True)
class Command:
    """A command that is being read or carried out."""

    raw: bytearray
    tag: str = "*"
    verb: str = ""
    literals: int = 0  # octets of literals announced so far
    lines: int = 0  # octets of lines so far
    refusal: Status | None = None  # why the rest of it is skipped
    steps: Steps | None = None

    @property
    def stage(self) -> str:
        """What it is about: `UID FETCH` is a FETCH."""
        words = bytes(self.raw[:100]).split(b" ", 3)
        if self.verb == "UID" and len(words) > 2:
            return words[2].decode("ascii", "replace").upper()
        return self.verb


class CommandReader(Server):
    """The half of the engine that listens."""

    def __init__(self, options: IMAPServerOptions) -> None:
        super().__init__(LINE_BEFORE_LOGIN)
        self.options = options
        self.append_limit = options.append_limit
        self._deflate: Deflate | None = None  # COMPRESS is active
        self._uncompressed = b""  # what was said before, and has not left yet
        self._inflated = 0  # octets since others had a turn
        self._events: deque[Event] = deque()  # that the agent has not seen yet
        self.state = State.NOT_AUTHENTICATED
        self._command = Command(bytearray())
        self._asked: Continue | None = None  # the client owes us a line
        self._missing = 0  # octets of the literal that is being read
        self._skipping = 0  # octets of a refused literal
        self._literal = bytearray()
        self._goes_on = False  # the line is not the first of its command
        self._login_refused = False  # that was the last command

    # What the other half does ---------------------------------------------------------

    def _start(self) -> None:
        """The command is complete: carry it out."""
        raise NotImplementedError

    def _finish(self, status: Status) -> None:
        """The command is over, and this is its tagged response."""
        raise NotImplementedError

    def _line_for_command(self, line: bytes, asked: Continue) -> None:
        """The line that the command asked for has come."""
        raise NotImplementedError

    # Compression (RFC 4978) -----------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the network."""
        if self._deflate is None:
            super().receive(data)
        elif not self.closed:
            self._deflate.receive(data)

    def data_to_send(self) -> bytes:
        """Take the bytes that wait for the network."""
        data = super().data_to_send()
        if self._deflate is None:
            return data
        before, self._uncompressed = self._uncompressed, b""
        return before + self._deflate.compressed(data) if data else before

    @property
    def has_to_say(self) -> bool:
        """Bytes wait for the network."""
        return bool(self._out or self._uncompressed)

    def _compress(self) -> None:
        """What comes from here on is compressed, and so is what we say."""
        self._uncompressed = super().data_to_send()
        self._deflate, self.compressed = Deflate(), True
        rest = self._lines.clear()  # the client did not wait, and compressed it already
        self._lines.offset -= len(rest)
        self._deflate.receive(rest)

    def _inflate(self) -> bool:
        """Unpack one more piece; False: nothing is there."""
        if self._deflate is None:
            return False
        try:
            piece = self._deflate.next_piece()
        except BrokenStream as error:
            self._hang_up(str(error))
            return True
        self._lines.feed(piece)
        self._inflated += len(piece)
        if self._inflated >= INFLATED_AT_ONCE:
            self._inflated = 0
            self._events.append(Pause())
        return bool(piece)

    @property
    def tag(self) -> str:
        """The client's name for the command that is being carried out."""
        return self._command.tag

    # Saying ---------------------------------------------------------------------------

    def untagged(self, text: bytes) -> None:
        """Say an untagged response."""
        self.say(b"* %b\r\n" % text)

    def say(self, response: bytes) -> None:
        """Say a whole response, its literals apart."""
        for what, octets in split_literals(response):
            self._say(octets, what, ref=self._ref)

    def _hang_up(self, text: str) -> None:
        self.say(Status("BYE", text).to_wire())
        self.closed = True

    @property
    def _ref(self) -> str:
        return RFC_OF.get(self._command.verb, "RFC 3501 §7")

    # Reading --------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read one line or a piece of a literal; False: nothing is there."""
        if self._skipping:
            return self._skip()
        if self._missing:
            return self._read_literal()
        try:
            line = self._lines.next_line()
        except LineTooLong:
            # The line may have announced a literal. To read that as commands would let
            # somebody hide commands in a message, so there is no going on.
            self._hang_up("Line too long")
            return True
        if line is None:
            return False
        if self._asked:
            self._line_for_command(line, self._asked)
        else:
            self._command_line(line)
        return True

    def _skip(self) -> bool:
        block = self._lines.next_block(self._skipping)
        self._skipping -= len(block or b"")
        return block is not None

    def _read_literal(self) -> bool:
        block = self._lines.next_block(self._missing)
        if block is None:
            return False
        self._literal += block
        self._missing -= len(block)
        if not self._missing:
            octets = bytes(self._literal)
            self._literal.clear()
            self._hear(octets, "literal")
            self._command.raw += octets
        return True

    def _hear(self, octets: bytes, what: str) -> None:
        command = self._command
        spans: Spans = ()
        logs_in = command.verb in ("LOGIN", "AUTHENTICATE")
        behind_literal = command.refusal and self._goes_on and logs_in
        if behind_literal or (self._login_refused and command.verb not in RFC_OF):
            # a client that did not wait for our refusal has sent its password
            spans = ((0, len(octets.removesuffix(CRLF))),)
        elif not command.raw or logs_in:
            spans = secret_spans(bytes(command.raw), octets, what)
        self._heard(octets, what, secret=spans, ref=self._ref)

    def _command_line(self, line: bytes) -> None:
        """A line that begins a command, or goes on with it after a literal."""
        self._goes_on = bool(self._command.raw or self._command.refusal)
        if not self._goes_on:
            self._begin(line)
        self._hear(line + CRLF, "command")
        announced = announced_literal(line)
        self._command.lines += len(line)
        if self._command.lines > self._lines.limit:
            self._command.refusal = bad("The command is too long")
            self._command.raw.clear()
        if self._command.refusal:
            self._refuse_rest(announced)
        elif announced:
            self._command.raw += line + CRLF
            self._announced(*announced)
        else:
            self._command.raw += line
            self._start()

    def _begin(self, line: bytes) -> None:
        """Find tag and verb. Both are known even if the rest is nonsense."""
        words = Scanner(line)
        command = Command(bytearray())
        self._command = command
        try:
            command.tag = words.tag()
            words.space()
            command.verb = words.keyword()
        except BadSyntax as error:
            command.refusal = bad(f"Expected a tag and a command: {error}")
            if self._login_refused:  # it may be a password: do not say it again
                command.tag = "*"
        if b"\0" in line:
            command.refusal = bad("A command has no NUL octets")

    def _announced(self, size: int, synchronizing: bool) -> None:
        """A literal will follow: agree, or refuse (RFC 3501 §4.3, RFC 7888 §4)."""
        command = self._command
        command.literals += size
        if command.literals > self._literal_limit:
            command.refusal = self._too_big()
        elif not synchronizing:
            command.refusal = self._judge_impatient(size)
        if command.refusal:
            command.raw.clear()
            self._refuse_rest((size, synchronizing))
            return
        self._missing = size
        if synchronizing:
            self._say(b"+ Ready for the literal\r\n", "continuation", ref=self._ref)
        if not size:
            self._hear(b"", "literal")

    def _refuse_rest(self, announced: tuple[int, bool] | None) -> None:
        """Skip what a client that did not wait has sent already (RFC 7888 §4)."""
        refusal = self._command.refusal
        assert refusal
        if announced and not announced[1] and announced[0] > SKIPPED:
            self._finish(refusal)
            self._hang_up("The literal is far too big")
        elif announced and not announced[1]:
            self._skipping = announced[0]
        else:
            self._finish(refusal)

    @property
    def _literal_limit(self) -> int:
        if self.state is State.NOT_AUTHENTICATED:
            return LITERALS_BEFORE_LOGIN
        if self._command.stage in WITH_MESSAGES:  # all of a MULTIAPPEND together
            return self.append_limit + LITERALS_AFTER_LOGIN
        return LITERALS_AFTER_LOGIN

    def _judge_impatient(self, size: int) -> Status | None:
        """Is a literal that does not wait for our word all right?"""
        kind = self.options.literals
        if not kind:
            return bad("Literals without waiting are not taken here")
        if kind == "LITERAL-" and size > SHORT_LITERAL:  # RFC 7888 §5
            return bad(f"Literals of more than {SHORT_LITERAL} octets must wait")
        return None

    def _too_big(self) -> Status:
        why = f"{self._command.literals} octets of literals"
        after = self.state is not State.NOT_AUTHENTICATED
        if after and self._command.stage in WITH_MESSAGES:
            return replace(too_big(self.append_limit), why=why)
        return bad("The literal is too big", why)


def too_big(limit: int) -> Status:
    """The refusal of a message that is too big (RFC 4469 §4.2, RFC 7889 §4)."""
    return no(f"A message may have {limit} octets", "TOOBIG")
