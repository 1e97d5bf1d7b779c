"""Addresses and paths of SMTP (RFC 5321 §4.1.2 and §4.1.3).

Goes in: the text of a command. Comes out: `Address` values, or ValueError with what was
expected.

Rule 1: nothing is thrown away. The local part keeps its case: only the host that it
        belongs to may interpret it (RFC 5321 §2.3.11).
Rule 2: the null reverse-path `<>` is a value, `NULL_PATH`.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

NON_ASCII = "\u00a0-\ud7ff\ue000-\U0010ffff"  # RFC 6531 §3.3, without controls
LITERAL = r"\[[!-Z^-~]+\]"
# deviation: hosts whose name has a "_" exist and are greeted (RFC 5321 §2.3.5).
IS_CLIENT_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")

MAX_DOMAIN = 255  # RFC 5321 §4.5.3.1.2
MAX_PATH = 256  # RFC 5321 §4.5.3.1.3
# deviation: local parts over 64 octets (RFC 5321 §4.5.3.1.1) are taken (VERP).


class Grammar(NamedTuple):
    """What RFC 5321 §4.1.2 calls so, as patterns."""

    dot_string: re.Pattern[str]
    domain: re.Pattern[str]
    mailbox: re.Pattern[str]
    path: re.Pattern[str]


def grammar_of(text: str) -> Grammar:
    """The grammar that may match a text; that of ASCII is compiled fifty times faster.

    >>> bool(grammar_of("jörg").dot_string.fullmatch("jörg"))
    True
    """
    return _grammar("" if text.isascii() else NON_ASCII)


@cache
def _grammar(more: str) -> Grammar:
    atext = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{more}-]+"
    dot_string = rf"{atext}(?:\.{atext})*"
    quoted_string = rf'"(?:[ !#-\[\]-~{more}]|\\[ -~])*"'
    let_dig = rf"[A-Za-z0-9{more}]"
    label = rf"{let_dig}(?:[A-Za-z0-9{more}-]{{0,61}}{let_dig})?"
    domain = rf"{label}(?:\.{label})*"
    mailbox = rf"(?P<local>{dot_string}|{quoted_string})@(?P<domain>{domain}|{LITERAL})"
    source_route = rf"@{domain}(?:,@{domain})*:"
    bare = "(?P<bare>[Pp][Oo][Ss][Tt][Mm][Aa][Ss][Tt][Ee][Rr])"
    path = rf"<(?:(?:{source_route})?{mailbox}|{bare})?>"
    return Grammar(*map(re.compile, (dot_string, domain, mailbox, path)))


def is_domain(text: str) -> bool:
    """Whether this is a domain, in letters or in ASCII.

    >>> is_domain("bücher.example"), is_domain("-.example")
    (True, False)
    """
    return grammar_of(text).domain.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """user@domain. Domains compare without case, local parts exactly.

    `local_part` is without the quotes that it may need; `domain` may be an address
    literal such as "[192.0.2.1]", and is "" for plain `postmaster` (RFC 5321 §4.1.1.3).

    >>> Address("Ann", "Example.org") == Address.from_text("Ann@example.ORG")
    True
    >>> str(Address("ann b", "example.org"))
    '"ann b"@example.org'
    """

    local_part: str
    domain: str

    @classmethod
    def from_text(cls, text: str) -> "Address":
        """Read `user@domain`. Raises ValueError."""
        match = grammar_of(text).mailbox.fullmatch(text)
        if match is None:
            raise ValueError("Syntax: user@domain")
        return cls(unquoted(match["local"]), checked_domain(match["domain"]))

    def __str__(self) -> str:
        local = self.local_part
        if self.domain and not grammar_of(local).dot_string.fullmatch(local):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str]:
        return self.local_part, self.domain.lower()

    @property
    def is_null(self) -> bool:
        """Is this the reverse-path of a notification (RFC 5321 §4.5.5)?"""
        return not self.local_part and not self.domain

    @property
    def is_ascii(self) -> bool:
        """False: only servers with SMTPUTF8 take this address (RFC 6531 §3.2).

        >>> Address("jörg", "example.org").is_ascii
        False
        """
        return str(self).isascii()

    def to_path(self) -> str:
        """As a reverse-path or forward-path.

        >>> NULL_PATH.to_path(), Address("ann", "example.org").to_path()
        ('<>', '<ann@example.org>')
        """
        return f"<{self}>"


NULL_PATH = Address("", "")


def parse_path(text: str) -> tuple[Address, str]:
    """Read `<path>` at the start of `text`; return it and what follows.

    A source route is accepted and ignored (RFC 5321 §4.1.1.3 and appendix C).

    >>> path, rest = parse_path("<@relay.example:ann@example.org> SIZE=10")
    >>> str(path), rest
    ('ann@example.org', ' SIZE=10')
    """
    match = grammar_of(text).path.match(text)
    if match is None:
        raise ValueError("Syntax: <user@domain>")
    if len(match[0].encode()) > MAX_PATH:
        raise ValueError(f"A path has at most {MAX_PATH} octets")
    rest = text[match.end() :]
    if match["bare"]:
        return Address(match["bare"], ""), rest
    if not match["domain"]:
        return NULL_PATH, rest
    return Address(unquoted(match["local"]), checked_domain(match["domain"])), rest


def source_route(text: str) -> tuple[str, ...]:
    """The hosts of a source route, which `parse_path` ignores (RFC 5321 appendix C).

    >>> source_route("<@a.example,@b.example:ann@example.org>")
    ('a.example', 'b.example')
    """
    hosts, colon, _ = text.removeprefix("<").partition(":")
    if not text.startswith("<@") or not colon:
        return ()
    return tuple(host.removeprefix("@") for host in hosts.split(","))


def checked_domain(text: str) -> str:
    """Return a domain or an address literal as it is, or raise ValueError.

    >>> checked_domain("[IPv6:2001:db8::1]")
    '[IPv6:2001:db8::1]'
    """
    if text.startswith("["):
        address_of(text)
    elif len(text.encode()) > MAX_DOMAIN or not is_domain(text):
        raise ValueError("Syntax: a domain, or [address]")
    return text


def checked_client_name(text: str) -> str:
    """What may follow EHLO or HELO: a domain or an address literal, or ValueError."""
    if text.startswith("["):
        address_of(text)
    elif len(text) > MAX_DOMAIN or not IS_CLIENT_NAME.fullmatch(text):
        raise ValueError("EHLO and HELO want a domain, or [address]")
    return text


def address_of(literal: str) -> str:
    """The IP address in an address literal (RFC 5321 §4.1.3). Raises ValueError.

    >>> address_of("[192.0.2.1]"), address_of("[IPv6:2001:DB8::1]")
    ('192.0.2.1', '2001:db8::1')
    """
    inside = literal[1:-1]
    version6 = inside[:5].lower() == "ipv6:"
    try:
        if literal[-1:] != "]" or "%" in inside:
            raise ValueError
        if version6:
            return str(ipaddress.IPv6Address(inside[5:]))
        return str(ipaddress.IPv4Address(inside))
    except ValueError:
        raise ValueError("Syntax: [192.0.2.1] or [IPv6:2001:db8::1]") from None


def literal_of(address: str) -> str:
    """The address literal of an IP address (RFC 5321 §4.1.3).

    >>> literal_of("192.0.2.1"), literal_of("2001:db8::1")
    ('[192.0.2.1]', '[IPv6:2001:db8::1]')
    """
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def unquoted(local_part: str) -> str:
    """What a quoted local part stands for (RFC 5321 §4.1.2).

    >>> unquoted('"ann\\\\"s box"')
    'ann"s box'
    """
    if local_part.startswith('"'):
        return re.sub(r"\\(.)", r"\1", local_part[1:-1])
    return local_part
