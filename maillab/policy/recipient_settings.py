"""Who is who in the local domains: aliases, lists, forwarding, rules, quota.

Goes in: nothing. Comes out: `Recipients`, a part of `policy.settings.Settings`.

Rule: addresses are text as an administrator writes it: user@domain.
"""

from dataclasses import dataclass
from typing import Literal

ListMode = Literal["public", "members", "announcements", "domain", "server"]


@dataclass(frozen=True, slots=True)
class MailingList:
    """A distribution list: mail for it goes to its members (RFC 5321 §3.9.2).

    mode   who may write: "public" (anybody), "members", "announcements" (only
           `owner`), "domain" (addresses of the list's domain), "server" (addresses
           of any local domain)
    login  ... and must have logged in
    owner  gets the bounces; "": owner-NAME@domain, which is postmaster
    own_copy  a member who writes gets a copy too
    """

    address: str
    members: tuple[str, ...]
    mode: ListMode = "public"
    owner: str = ""
    login: bool = False
    own_copy: bool = True


@dataclass(frozen=True, slots=True)
class Forward:
    """Mail for `address` goes to `to`; with `keep`, the mailbox keeps a copy."""

    address: str
    to: tuple[str, ...]
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Vacation:
    """An automatic answer (RFC 3834): once in `days` to each sender.

    begins, ends   seconds since the world began; `ends` 0: for good
    """

    address: str
    text: str
    subject: str = ""
    days: float = 7.0
    begins: float = 0.0
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """One criterion of a rule.

    field  a header field ("Subject"), or "MailFrom", "RcptTo", "size", "body"
    test   "is", "contains", "matches" (with * and ?), "exists", "above", "below"
    """

    field: str
    test: Literal["is", "contains", "matches", "exists", "above", "below"] = "contains"
    value: str = ""
    unless: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does: `do`, with `to` as a folder, an address, or "Name: value"."""

    do: Literal[
        "move", "copy", "forward", "delete", "reject", "flag", "add-header", "stop"
    ]
    to: str = ""


@dataclass(frozen=True, slots=True)
class MailRule:
    """When `conditions` hold (all of them, or any), do `actions`, in order.

    account  whose mail it looks at; "": that of the whole server
    """

    name: str
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    match: Literal["all", "any"] = "all"
    account: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many octets the mailboxes of an account may hold."""

    address: str
    octets: int


@dataclass(frozen=True, slots=True)
class Alias:
    """Mail for `address` is for `to`: one or more addresses (RFC 5321 §3.9.1)."""

    address: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CatchAll:
    """Mail for unknown names of `domain` is for `to`."""

    domain: str
    to: str


@dataclass(frozen=True, slots=True)
class AliasDomain:
    """Every address of `domain` means the same name at `means`."""

    domain: str
    means: str


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who is who in the local domains.

    refuse_unknown   unknown names are refused at RCPT; else they are accepted and
                bounced later, to senders that may be forged (backscatter)
    separator   of plus addressing ("ann+lists" is "ann"); "" for none
    default_quota   octets of each account without a quota of its own; 0: no limit
    quota_reply "later" (452 4.2.2), or "never" (552 5.2.2)
    rule_loops  how many rules may act on one message in turn
    detect_loops  a message that was at an address before (Delivered-To) is given up;
                else only the number of its Received fields stops it (`limits.hops`)
    """

    refuse_unknown: bool = True
    separator: str = ""
    aliases: tuple[Alias, ...] = ()
    alias_domains: tuple[AliasDomain, ...] = ()
    catch_all: tuple[CatchAll, ...] = ()
    lists: tuple[MailingList, ...] = ()
    forwards: tuple[Forward, ...] = ()
    vacations: tuple[Vacation, ...] = ()
    rules: tuple[MailRule, ...] = ()
    quotas: tuple[Quota, ...] = ()
    default_quota: int = 0
    quota_reply: Literal["later", "never"] = "later"
    detect_loops: bool = True
    rule_loops: int = 5
