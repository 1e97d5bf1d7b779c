"""What one IMAP server offers: its capabilities, and what of them it leaves out.

Goes in: settings. Comes out: the words behind CAPABILITY, and which commands there are.

Rule: what is not offered is not there. Its commands are refused like unknown ones, and
      ENABLE takes no notice of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from maillab.wire.sasl import ServerSide

APPEND_LIMIT = 25 * 1024 * 1024  # octets of a message (RFC 7889)

# In the order in which a person may want to read them. LITERAL+ or LITERAL-, the limit
# of APPEND and what depends on the state come from `words`.
CAPABILITIES = (
    *("IMAP4rev1", "IMAP4rev2", "SASL-IR", "ID", "ENABLE", "IDLE", "NAMESPACE"),
    *("CHILDREN", "UIDPLUS", "UNSELECT", "MOVE", "MULTIAPPEND", "BINARY", "REPLACE"),
    *("LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "CREATE-SPECIAL-USE"),
    *("STATUS=SIZE", "OBJECTID", "SAVEDATE", "CONDSTORE", "QRESYNC", "UTF8=ACCEPT"),
    *("ESEARCH", "SEARCHRES", "WITHIN", "SORT", "THREAD=ORDEREDSUBJECT"),
    *("THREAD=REFERENCES", "PREVIEW", "QUOTA", "QUOTA=RES-STORAGE"),
    "COMPRESS=DEFLATE",
)

# Capabilities that are commands; `UID EXPUNGE` is UIDPLUS (RFC 4315 §2.1).
_COMMANDS = {
    "STARTTLS": ("STARTTLS",),
    "ID": ("ID",),
    "ENABLE": ("ENABLE",),
    "IDLE": ("IDLE",),
    "NAMESPACE": ("NAMESPACE",),
    "UNSELECT": ("UNSELECT",),
    "MOVE": ("MOVE", "UID MOVE"),
    "UIDPLUS": ("UID EXPUNGE",),
    "REPLACE": ("REPLACE", "UID REPLACE"),
    "SORT": ("SORT", "UID SORT"),
    "QUOTA": ("GETQUOTA", "GETQUOTAROOT", "SETQUOTA"),
    "COMPRESS=DEFLATE": ("COMPRESS",),
}

# What goes with another capability.
_NEEDS = {
    "IMAP4REV2": "ENABLE",
    "UTF8=ACCEPT": "ENABLE",
    "QRESYNC": "CONDSTORE",  # "implies" it (RFC 7162 §3.2.3)
    "SEARCHRES": "ESEARCH",  # RFC 5182 §1
    "LIST-STATUS": "LIST-EXTENDED",  # RFC 5819 §1
    "CREATE-SPECIAL-USE": "SPECIAL-USE",  # RFC 6154 §3
    "QUOTA=RES-STORAGE": "QUOTA",
}


@dataclass(frozen=True, slots=True)
class IMAPServerOptions:
    """One server.

    starttls       TLS can be had
    plain_login    passwords may be sent without TLS
    append_limit   octets of a message (RFC 7889)
    mechanisms     of SASL, and what they need: `sasl_side`
    literal_minus  LITERAL- instead of LITERAL+: short ones only (RFC 7888 §5)
    without        capabilities that are left out

    >>> IMAPServerOptions(without=("idle",)).lacks("IDLE")
    True
    """

    hostname: str = "localhost"
    starttls: bool = False
    plain_login: bool = False
    append_limit: int = APPEND_LIMIT
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    sasl_side: ServerSide = field(default_factory=ServerSide)
    literal_minus: bool = False
    without: tuple[str, ...] = ()

    def offers(self, capability: str) -> bool:
        """Is this capability there, with what it needs? "" is."""
        without = {word.upper() for word in self.without}
        return not {capability.upper(), _NEEDS.get(capability.upper())} & without

    def lacks(self, command: str) -> bool:
        """Is this command (such as "IDLE" or "UID MOVE") switched off?"""
        words = {word.upper() for word in self.without}
        if command.removeprefix("UID ") == "THREAD":
            return {"THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES"} <= words
        return any(command in _COMMANDS.get(word, ()) for word in words)

    @property
    def literals(self) -> str:
        """The word for literals that do not wait, or "" (RFC 7888 §4, §5)."""
        word = "LITERAL-" if self.literal_minus else "LITERAL+"
        return word if self.offers(word) else ""

    @property
    def words(self) -> Iterator[str]:
        """The capabilities that are there in every state (RFC 9051 §7.2.2)."""
        for word in CAPABILITIES:
            if self.offers(word):
                yield word
        if self.literals:
            yield self.literals
        if self.offers("APPENDLIMIT"):
            yield f"APPENDLIMIT={self.append_limit}"
