"""What an IMAP client can say: a method for each command (RFC 9051 §6 and extensions).

Goes in: what is wanted, as values. Comes out: words, which the engine sends in turn.

Rule: `str` is language of IMAP (sets, items, search keys) and leaves as it is; names
      and texts of people are encoded here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from maillab.protocol.engine import Engine
from maillab.protocol.imap_client_commands import (
    Letter,
    Resync,
    Words,
    flags,
    in_parentheses,
    letter,
    name,
    names,
    raw,
    secret,
    text,
)
from maillab.wire import sasl
from maillab.wire.message import DateTime


class IMAPVerbs(Engine):
    """The commands. `IMAPClient` sends them."""

    # Any state (RFC 9051 §6.1) --------------------------------------------------------

    def capability(self) -> None:
        """Ask what the server can do."""
        self._queue("CAPABILITY")

    def noop(self) -> None:
        """Ask for news."""
        self._queue("NOOP")

    def logout(self) -> None:
        """End the session."""
        self._queue("LOGOUT")

    def identify(self, fields: Mapping[str, str] | None = None) -> None:
        """ID (RFC 2971): say who we are, and hear who they are: `ServerId` data."""
        if not fields:
            self._queue("ID", raw("NIL"))
            return
        words = [text(word.encode()) for pair in fields.items() for word in pair]
        self._queue("ID", *in_parentheses(words))

    # Not authenticated (RFC 9051 §6.2) ------------------------------------------------

    def authenticate(
        self,
        mechanism: str,
        user: str,
        password: str,
        nonce: Callable[[], str] = sasl.no_nonce,
    ) -> None:
        """Log in by SASL, with an initial response where the server takes one."""
        exchange = sasl.client_mechanism(mechanism, user, password, nonce)
        words = [raw(mechanism)]
        if self._takes_initial_response and exchange.client_first:
            words.append(secret(sasl.encode(exchange.respond(b"")) or b"="))
        self._queue("AUTHENTICATE", *words, exchange=exchange)

    def login(self, user: str, password: str) -> None:
        """Log in. The password leaves in clear text where TLS is not active."""
        hidden = text(password.encode())
        self._queue("LOGIN", text(user.encode()), hidden.as_secret())

    # Authenticated (RFC 9051 §6.3) ----------------------------------------------------

    def enable(self, *extensions: str) -> None:
        """Switch extensions on (RFC 9051 §6.3.1): `Enabled` data."""
        self._queue("ENABLE", raw(" ".join(extensions)))

    def compress(self) -> None:
        """Compress all that comes after (RFC 4978)."""
        self._queue("COMPRESS", raw("DEFLATE"))

    def select(
        self,
        mailbox: str,
        *,
        read_only: bool = False,
        condstore: bool = False,
        resync: Resync | None = None,
    ) -> None:
        """Open a mailbox; `read_only`: by EXAMINE.

        condstore  tell modseqs (RFC 7162 §3.1.8); resync: and what has changed since
        """
        words = [self._name(mailbox)]
        if resync:
            words.append(raw(resync.to_text()))
        elif condstore:
            words.append(raw("(CONDSTORE)"))
        self._queue("EXAMINE" if read_only else "SELECT", *words)

    def create(self, mailbox: str, use: str = "") -> None:
        """Make a mailbox, perhaps for a use such as "\\\\Sent" (RFC 6154 §3)."""
        words = [raw(f"(USE ({use}))")] if use else []
        self._queue("CREATE", self._name(mailbox), *words)

    def delete(self, mailbox: str) -> None:
        """Remove a mailbox."""
        self._queue("DELETE", self._name(mailbox))

    def rename(self, old: str, new: str) -> None:
        """Give a mailbox another name."""
        self._queue("RENAME", self._name(old), self._name(new))

    def subscribe(self, mailbox: str, *, wanted: bool = True) -> None:
        """Put a name on the list of subscriptions, or take it off."""
        verb = "SUBSCRIBE" if wanted else "UNSUBSCRIBE"
        self._queue(verb, self._name(mailbox))

    def list(
        self,
        reference: str = "",
        pattern: str | Sequence[str] = "*",
        *,
        only: str = "",
        tell: str = "",
    ) -> None:
        """Ask for mailboxes: `Listed` data.

        only  selection options, tell  return options (RFC 9051 §6.3.9):
              only="SUBSCRIBED", tell="SPECIAL-USE STATUS (MESSAGES UNSEEN)"
        """
        words = [raw(f"({only})")] if only else []
        words += [self._name(reference), *names(pattern, utf8=self.utf8)]
        if tell:
            words.append(raw(f"RETURN ({tell})"))
        self._queue("LIST", *words)

    def lsub(self, reference: str = "", pattern: str = "*") -> None:
        """Ask for subscribed names: `Listed` data."""
        pattern_words = names(pattern, utf8=self.utf8)
        self._queue("LSUB", self._name(reference), *pattern_words)

    def namespace(self) -> None:
        """Ask where mailboxes are: `Namespaces` data (RFC 9051 §6.3.10)."""
        self._queue("NAMESPACE")

    def status(self, mailbox: str, items: str = "MESSAGES UNSEEN UIDNEXT") -> None:
        """Ask for numbers: `Counted` data."""
        self._queue("STATUS", self._name(mailbox), raw(f"({items})"))

    def append(
        self,
        mailbox: str,
        content: bytes,
        with_flags: Iterable[str] = (),
        date: DateTime | None = None,
    ) -> None:
        """Put a message into a mailbox."""
        self.append_all(mailbox, [Letter(content, tuple(with_flags), date)])

    def append_all(self, mailbox: str, letters: Sequence[Letter]) -> None:
        """Put messages into a mailbox; several: all or none (RFC 3502)."""
        words = [word for one in letters for word in self._letter(one)]
        self._queue("APPEND", self._name(mailbox), *words)

    def get_quota_root(self, mailbox: str) -> None:
        """Ask for quotas: `QuotaRoots` and `Quota` data (RFC 9208 §4.1.3)."""
        self._queue("GETQUOTAROOT", self._name(mailbox))

    def get_quota(self, root: str = "") -> None:
        """Ask for one quota: `Quota` data (RFC 9208 §4.1.1)."""
        self._queue("GETQUOTA", self._name(root))

    def set_quota(self, root: str, limits: Mapping[str, int]) -> None:
        """Change a quota (RFC 9208 §4.1.2), where a server lets us."""
        pairs = " ".join(f"{resource} {limit}" for resource, limit in limits.items())
        self._queue("SETQUOTA", self._name(root), raw(f"({pairs})"))

    def idle(self) -> None:
        """Ask to be told the news as they come (RFC 2177)."""
        self._queue("IDLE")

    # Selected (RFC 9051 §6.4) ---------------------------------------------------------

    def close(self) -> None:
        """Expunge in silence, and leave the mailbox."""
        self._queue("CLOSE")

    def unselect(self) -> None:
        """Leave the mailbox, and expunge nothing (RFC 3691)."""
        self._queue("UNSELECT")

    def expunge(self, uids: str = "") -> None:
        """Remove what is marked \\Deleted; of these UIDs only if some are given."""
        self._by_uid("EXPUNGE", bool(uids), *([raw(uids)] if uids else []))

    def search(
        self, *keys: str | bytes, uid: bool = True, tell: str | None = None
    ) -> None:
        """Find messages: `Found` data. `str` is language, `bytes` is UTF-8 to quote.

        tell  return options (RFC 9051 §6.4.4): "MIN MAX COUNT", "ALL", "SAVE",
              "PARTIAL 1:100"; "" is ALL. Then the data is `Extended`.
        """
        words = [*_told(tell), *self._charset(keys), *self._keys(keys)]
        self._by_uid("SEARCH", uid, *words)

    def sort(
        self,
        order: str,
        *keys: str | bytes,
        uid: bool = True,
        charset: str = "UTF-8",
        tell: str | None = None,
    ) -> None:
        """Find messages in an order such as "REVERSE DATE" (RFC 5256 §3): `Found`."""
        words = [*_told(tell), raw(f"({order})"), raw(charset)]
        self._by_uid("SORT", uid, *words, *self._keys(keys or ("ALL",)))

    def thread(
        self,
        algorithm: str,
        *keys: str | bytes,
        uid: bool = True,
        charset: str = "UTF-8",
    ) -> None:
        """Find conversations: `Threads` data; "REFERENCES" or "ORDEREDSUBJECT"."""
        words = [raw(algorithm), raw(charset), *self._keys(keys or ("ALL",))]
        self._by_uid("THREAD", uid, *words)

    def fetch(
        self,
        messages: str,
        items: str,
        *,
        uid: bool = True,
        changed_since: int | None = None,
        vanished: bool = False,
    ) -> None:
        """Get data of messages: `Fetched` data.

        changed_since  only those with a higher modseq (RFC 7162 §3.1.4.1);
        vanished       and tell which are gone since: `Vanished` data (§3.2.6)
        """
        words = [raw(messages), raw(items)]
        if changed_since is not None:
            gone = " VANISHED" if vanished else ""
            words.append(raw(f"(CHANGEDSINCE {changed_since}{gone})"))
        self._by_uid("FETCH", uid, *words)

    def store(
        self,
        messages: str,
        mode: str,
        with_flags: Iterable[str],
        *,
        uid: bool = True,
        unchanged_since: int | None = None,
    ) -> None:
        """Change flags. `mode`: "FLAGS", "+FLAGS", "-FLAGS", perhaps with ".SILENT".

        unchanged_since  only of those that nobody changed after this modseq; the code
                         MODIFIED tells the others (RFC 7162 §3.1.3)
        """
        words = [raw(messages), raw(mode), flags(with_flags)]
        if unchanged_since is not None:
            words.insert(1, raw(f"(UNCHANGEDSINCE {unchanged_since})"))
        self._by_uid("STORE", uid, *words)

    def copy(self, messages: str, mailbox: str, *, uid: bool = True) -> None:
        """Copy messages to another mailbox."""
        self._by_uid("COPY", uid, raw(messages), self._name(mailbox))

    def move(self, messages: str, mailbox: str, *, uid: bool = True) -> None:
        """Move messages to another mailbox (RFC 6851)."""
        self._by_uid("MOVE", uid, raw(messages), self._name(mailbox))

    def replace(
        self, message: str, mailbox: str, new: Letter, *, uid: bool = True
    ) -> None:
        """Put a message in the place of another, both or nothing (RFC 8508)."""
        words = [raw(message), self._name(mailbox), *self._letter(new)]
        self._by_uid("REPLACE", uid, *words)

    def command(self, verb: str, arguments: str = "") -> None:
        """Any other command, as it is."""
        self._queue(verb.upper(), *([raw(arguments)] if arguments else []))

    # For the commands -----------------------------------------------------------------

    @property
    def utf8(self) -> bool:
        """Names and strings may be UTF-8."""
        raise NotImplementedError

    def offers(self, capability: str) -> bool:
        """Does the server say that it can do this?"""
        raise NotImplementedError

    def _queue(
        self, verb: str, *words: Words, exchange: sasl.ClientMechanism | None = None
    ) -> None:
        raise NotImplementedError

    @property
    def _takes_initial_response(self) -> bool:
        return self.offers("SASL-IR") or self.offers("IMAP4REV2")

    def _by_uid(self, verb: str, uid: bool, *words: Words) -> None:
        self._queue(f"UID {verb}" if uid else verb, *words)

    def _name(self, mailbox: str) -> Words:
        return name(mailbox, utf8=self.utf8)

    def _keys(self, keys: Sequence[str | bytes]) -> Sequence[Words]:
        return [
            text(key, self.utf8) if isinstance(key, bytes) else raw(key) for key in keys
        ]

    def _charset(self, keys: Sequence[str | bytes]) -> Sequence[Words]:
        """US-ASCII is the default (RFC 3501 §6.4.4). With UTF8=ACCEPT nobody may say
        which (RFC 6855 §3).
        """
        ascii_only = all(key.isascii() for key in keys)
        said = isinstance(keys[0], str) and keys[0].upper().startswith("CHARSET")
        return [] if ascii_only or said or self.utf8 else [raw("CHARSET UTF-8")]

    def _letter(self, one: Letter) -> Sequence[Words]:
        return letter(one, binary=self.offers("BINARY"), utf8=self.utf8)


def _told(options: str | None) -> Sequence[Words]:
    return [] if options is None else [raw(f"RETURN ({options})")]
