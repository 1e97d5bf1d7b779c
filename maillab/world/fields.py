"""The values that scenario files are made of, and how they are checked.

Goes in: what stands in a TOML file. Comes out: the value, or a sentence that says what
was found and what was expected.
"""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from maillab.errors import LabError
from maillab.net.ca import RESERVED_NAMES
from maillab.net.network import checked_address
from maillab.net.rules import Block
from maillab.world.duration import seconds_of

RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMG]?)bit/s\s*")
FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


class Table(BaseModel):
    """A TOML table in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def check_address(text: str) -> str:
    """An IP address in its canonical form."""
    try:
        return checked_address(text)
    except LabError as error:
        raise ValueError(str(error)) from None


def check_domain(text: str) -> str:
    """A domain name that no real site has (RFC 2606 §2, RFC 6761)."""
    name = text.rstrip(".").lower()
    if any(name == top or name.endswith("." + top) for top in RESERVED_NAMES):
        return name
    raise ValueError(
        f"{text!r} may belong to somebody; a world uses names that are reserved for "
        f"examples (RFC 2606): end it in .example or .test"
    )


def check_mailbox_name(text: str) -> str:
    """user@domain."""
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or " " in text:
        raise ValueError(f"{text!r} is not a mail address; write user@domain")
    check_domain(domain)
    return text


def check_accounts(text: str) -> str:
    """Where a mail server looks for its users."""
    kind, colon, where = text.partition(":")
    if text in ("memory", "sql") or (kind in ("sql", "directory") and colon and where):
        return text
    raise ValueError(
        f'{text!r} is no place for accounts; write "memory", "sql", '
        '"sql:sqlite:///accounts.db" or "directory:dc.company.example"'
    )


def check_length(value: Any) -> Any:
    """A length of time in seconds, or a text such as "30 min"."""
    if isinstance(value, bool):
        raise ValueError(f'{value!r} is no length of time; write "30 min"')
    try:
        return seconds_of(value) if isinstance(value, str) else value
    except LabError as error:
        raise ValueError(str(error)) from None


def check_block(text: Any) -> Block:
    """A prefix such as 192.168.1.0/24, or a single address."""
    if isinstance(text, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return text
    try:
        if not isinstance(text, str):  # a number is an address to `ip_network`
            raise ValueError("it is no text in quotes")
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a prefix ({error}); write one such as 192.168.1.0/24 or "
            f"2001:db8:1::/64"
        ) from None


def check_ports(value: Any) -> range:
    """A port number, or a range such as "6000-6063"."""
    first, _, last = str(value).partition("-")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        ports = range(0)
    if not ports or isinstance(value, bool) or ports[0] < 1 or ports[-1] > 65535:
        raise ValueError(
            f'{value!r} is not a port; write a number from 1 to 65535, or "6000-6063"'
        )
    return ports


def check_rate(value: Any) -> float:
    """Bits each second as octets each second: 64000, "64 kbit/s"."""
    text = f"{value} bit/s" if isinstance(value, (int, float)) else str(value)
    found = RATE.fullmatch(text)
    rate = float(found[1]) * FACTORS[found[2]] / 8 if found else 0.0
    if rate <= 0:
        raise ValueError(f'{value!r} is not a rate; write one such as "16 Mbit/s"')
    return rate


def as_list(value: Any) -> Any:
    """One value may stand for a list of one."""
    return [value] if isinstance(value, (str, int, dict)) else value


IPAddress = Annotated[str, AfterValidator(check_address)]
Addresses = Annotated[list[IPAddress], BeforeValidator(as_list)]
SomeAddresses = Annotated[Addresses, Field(min_length=1)]
Names = Annotated[list[str], BeforeValidator(as_list)]
Domain = Annotated[str, AfterValidator(check_domain)]
Accounts = Annotated[str, AfterValidator(check_accounts)]
MailAddress = Annotated[str, AfterValidator(check_mailbox_name)]
Length = Annotated[float, BeforeValidator(check_length), Field(ge=0)]
Ports = Annotated[
    list[Annotated[range, BeforeValidator(check_ports)]], BeforeValidator(as_list)
]
Blocks = Annotated[
    list[Annotated[Block, BeforeValidator(check_block)]], BeforeValidator(as_list)
]
Rate = Annotated[float, BeforeValidator(check_rate)]
Latency = Annotated[float, Field(ge=0, le=10_000)]  # milliseconds
Probability = Annotated[float, Field(ge=0, le=1)]
