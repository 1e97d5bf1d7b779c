"""One SMTP session as a server keeps it: facts, replies, and content as it comes.

Goes in: octets of content; replies. Comes out: `Message`, or a refusal; octets to send.

Rule 1: between 354 and the final dot the server is silent (RFC 5321 §4.1.1.4), unless
        it hangs up.
Rule 2: the octets of a chunk are read whatever becomes of BDAT (RFC 3030 §2): else they
        would be taken for commands.
"""

from typing import NoReturn

from maillab.errors import Refused
from maillab.protocol.engine import Event
from maillab.protocol.server import Server
from maillab.protocol.smtp_phrases import Phrases
from maillab.protocol.smtp_server_commands import EXTENSION_OF, State
from maillab.protocol.smtp_server_events import Answered, Message
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.protocol.smtp_server_parameters import ParameterReader
from maillab.protocol.smtp_transaction import Chunk, Transaction
from maillab.wire.smtp import AUTH_LINE_LIMIT, Envelope, Reply
from maillab.wire.smtp_content import ContentReader


class SMTPServerSession(Server):
    """What is known in a session, and how content is read.

    client_name   what EHLO or HELO said
    user          who has logged in, "" for nobody
    transaction   the mail transaction so far
    phrases       what is said, with the facts of this session; agents use it too
    messages      MAIL commands so far
    octets_taken  of all messages so far
    """

    language = "smtp"

    def __init__(
        self, options: SMTPServerOptions, *, implicit_tls: bool = False
    ) -> None:
        super().__init__(AUTH_LINE_LIMIT)
        self.options = options
        self.phrases = Phrases(options.phrases, hostname=options.hostname)
        self.parameters = ParameterReader(options, self.phrases)
        self.tls_active = implicit_tls
        self.state = State.CONNECTED
        self.client_name = ""
        self.user = ""
        self.bad_commands = 0
        self.messages = 0
        self.octets_taken = 0
        self.transaction = Transaction()
        self._extended = False  # greeted with EHLO or LHLO
        self._reader: ContentReader | None = None  # of DATA
        self._chunk = Chunk(0, last=False)  # of BDAT
        self._ref = "RFC 5321 §4.3.1"  # of what is being answered

    @property
    def protocol(self) -> str:
        """The word after `with` in a Received field (RFC 3848, RFC 6531 §4.3)."""
        if not self._extended:
            return "SMTP"
        trust = "S" * self.tls_active + "A" * bool(self.user)
        if self.transaction.is_international:
            return ("UTF8LMTP" if self.options.lmtp else "UTF8SMTP") + trust
        return ("LMTP" if self.options.lmtp else "ESMTP") + trust

    @property
    def envelope(self) -> Envelope:
        """The mail transaction so far (RFC 5321 §3.3); null before MAIL."""
        return self.transaction.envelope

    def receive_eof(self) -> None:
        """The client is gone. What it did not finish is not a message."""
        self._hear_content()
        self.state = State.CLOSED
        super().receive_eof()

    # For the commands -----------------------------------------------------------------

    def reject(self, name: str, /, **facts: object) -> NoReturn:
        """Raise Refused with a phrase."""
        raise Refused(self.phrases.reply(name, **facts))

    def reject_absent(self, verb: str) -> NoReturn:
        """Raise Refused: the command is not there, and the trace hears why."""
        reply = self.phrases.reply("not-implemented", verb=verb)
        extension = EXTENSION_OF.get(verb, verb)
        raise Refused(reply.because(self.options.absent.get(extension, "")))

    def reset(self) -> None:
        """Forget the transaction, not the greeting (RFC 5321 §4.1.1.5)."""
        self.transaction = Transaction()
        self._reader = None
        self.state = State.GREETED

    def start_over(self) -> None:
        """Back to where the banner was said."""
        self.reset()
        self.state = State.CONNECTED
        self.client_name = self.user = ""
        self.phrases.facts.pop("user", None)
        self.phrases.facts.pop("client_name", None)
        self._extended = False

    def begin_content(self) -> None:
        """From here on, octets are mail data."""
        self.state = State.DATA
        self._reader = self.options.content_reader(self._lines)

    def begin_chunk(self, chunk: Chunk) -> None:
        """From here on, octets are a chunk."""
        self._chunk = chunk
        self.state = State.CHUNK

    def count_message(self) -> None:
        """One MAIL more, whatever becomes of it (RFC 9422 §4.1). Raises Refused."""
        if 0 < self.options.max_messages <= self.messages:
            self.reject("too-many-messages", limit=self.options.max_messages)
        self.messages += 1

    def check_session_size(self, octets: int) -> None:
        """May so many octets come in this session? Raises Refused."""
        if 0 < self.options.max_session_size < self.octets_taken + octets:
            self.reject("session-too-big", limit=self.options.max_session_size)

    # Content --------------------------------------------------------------------------

    def _next_content(self) -> Event | None:
        """Go on reading behind DATA."""
        reader = self._reader
        assert reader is not None, "DATA made one"
        if not reader.read():
            if reader.too_big:
                self._hear_content()
            return None
        too_big = reader.too_big
        content = b"" if too_big else reader.content
        self._hear_content()
        return self._finished("DATA", content, "too-big" if too_big else "")

    def _next_chunk(self) -> Event | None:
        """Go on reading behind BDAT."""
        chunk = self._chunk
        while chunk.missing:
            block = self._lines.next_block(chunk.missing)
            if block is None:
                return None
            chunk.take(block)
            if chunk.refusal is not None:
                self._hear_content()
        self._hear_content()
        if chunk.refusal is not None:
            return self._refuse_chunk(chunk, chunk.refusal)
        self.transaction.content += chunk.octets
        if chunk.last:
            return self._finished("BDAT", bytes(self.transaction.content))
        self.state = State.BDAT
        reply = self.phrases.reply("chunk-ok", size=chunk.size)
        self._reply(reply)
        return Answered("BDAT", reply)

    def _refuse_chunk(self, chunk: Chunk, refusal: Reply) -> Event:
        """The octets have come; now the client hears what was wrong with BDAT."""
        self.state = chunk.state_after
        self._reply(refusal)
        return Answered("BDAT", refusal)

    def _finished(self, verb: str, content: bytes, fault: str = "") -> Event:
        """All content is here: ask for the agent's decision, or refuse."""
        refusal = self._find_refusal(content, fault) or self.overrule("message", "")
        if refusal is None:
            self.octets_taken += len(content)
            return Message(self.envelope, content)
        self._answer_message(refusal)
        return Answered(verb, refusal)

    def _find_refusal(self, content: bytes, fault: str) -> Reply | None:
        """Why this content cannot be taken, whoever sent it."""
        binary = self.transaction.body == "BINARYMIME"
        try:
            fault = fault or self.options.find_fault(content, binary=binary)
            if fault:
                self.reject(fault, limit=self.options.max_size)
            self.check_session_size(len(content))
        except Refused as refused:
            return refused.reply if isinstance(refused.reply, Reply) else None
        return None

    def _answer_message(self, reply: Reply, *more: Reply) -> None:
        """Answer the content: in LMTP for each recipient (RFC 2033 §4.2)."""
        copies = len(self.transaction.forward_paths) if self.options.lmtp else 1
        self.reset()
        for one in (reply, *more) if more else (reply,) * copies:
            self._reply(one)

    def _hear_content(self) -> None:
        if self._reader is not None:
            raw, ref = self._reader.take_raw(), "RFC 5321 §4.5.2"
        else:
            raw, ref = self._chunk.take_raw(), "RFC 3030 §2"
        if raw:
            self._heard(raw, "content", ref=ref)

    # Replies --------------------------------------------------------------------------

    def _reply(self, reply: Reply, *, utf8: bool = False) -> None:
        if not self.options.enhanced_codes:
            reply = reply.without_enhanced_code()
        refusal_ref = (
            "" if reply.positive else reply.ref
        )  # says more than the command's
        ref = refusal_ref or self._ref
        self._say(reply.to_wire(utf8=utf8), "reply", ref=ref, why=reply.why)
        if self.state is State.CLOSED or reply.code == 421:
            self.state = State.CLOSED
            self.closed = True

    def _hang_up(self, reply: Reply) -> None:
        if self.closed:
            return
        self._hear_content()
        self._question = None
        self._reply(reply)
