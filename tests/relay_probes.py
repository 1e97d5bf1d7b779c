"""How strangers try to relay through a server: about 200 ways, as data.

Each probe is one transaction: what is said before it, MAIL, RCPT, and what a server
that is no open relay answers to RCPT:

    "local"    250: an address of the server itself, which exists
    "unknown"  550 5.1.1: the domain is the server's, the name is nobody's
    "denied"   550 5.7.1: relaying denied
    "syntax"   a 5yz reply: no path (RFC 5321 §4.1.2)
    "refused"  any 4yz or 5yz reply: servers differ in how they see it

The words in braces are filled in: {ours} a local domain, {user} a local part that
exists there, {other} a foreign domain, {third} another one, {ip4} and {ip6} addresses
of the server, {far4} an address of somebody else.
"""

from dataclasses import dataclass, replace

STRANGER = "FROM:<spammer@stranger.example>"


@dataclass(frozen=True, slots=True)
class Probe:
    """One try to relay. `before`: commands of the same session, sent before MAIL."""

    rcpt: str
    expect: str
    mail: str = STRANGER
    before: tuple[str, ...] = ()

    def filled(self, **names: str) -> "Probe":
        """With the names of a server."""
        return replace(
            self,
            rcpt=self.rcpt.format(**names),
            mail=self.mail.format(**names),
            before=tuple(line.format(**names) for line in self.before),
        )


NAMES = {
    "ours": "ours.example",
    "user": "ann",
    "other": "other.example",
    "third": "third.example",
    "ip4": "192.0.2.25",
    "ip6": "2001:db8::25",
    "far4": "203.0.113.80",
}

PLAIN = """
local   {user}@{ours}
denied  victim@{other}
denied  {user}@{other}
denied  VICTIM@{other}
denied  victim@mail.{other}
denied  victim@sub.{ours}
denied  {user}@a.b.{ours}
denied  {user}@x{ours}
denied  {user}@x-{ours}
denied  {user}@{ours}.{other}
denied  {user}@{ours}-x.example
denied  victim@localhost
denied  victim@localdomain
denied  victim@example
denied  victim@{far4}
denied  victim@127.0.0.1
denied  {user}@{ip4}
denied  postmaster@{other}
denied  abuse@{other}
denied  MAILER-DAEMON@{other}
denied  victim+{ours}@{other}
denied  victim={ours}@{other}
denied  victim+other={ours}@{other}
denied  o'hara@{other}
denied  {user}.{ours}@{other}
denied  bounce+victim={other}@{third}
denied  a@{other}
unknown nobody@{ours}
unknown postmaster.{other}@{ours}
unknown victim={other}@{ours}
unknown victim+{other}@{ours}
unknown {user}.{other}@{ours}
local   postmaster@{ours}
local   POSTMASTER@{ours}
"""

PERCENT = """
unknown victim%{other}@{ours}
unknown {user}%{other}@{ours}
unknown VICTIM%{other}@{ours}
unknown victim%{other}%{third}@{ours}
unknown victim%{other}%{ours}@{ours}
unknown victim%{ours}@{ours}
unknown {user}%{ours}@{ours}
unknown victim%@{ours}
unknown %{other}@{ours}
unknown %@{ours}
unknown victim%%{other}@{ours}
unknown victim%25{other}@{ours}
unknown victim%40{other}@{ours}
unknown victim%localhost@{ours}
unknown postmaster%{other}@{ours}
unknown victim%{other}@[{ip4}]
unknown victim%{other}@[IPv6:{ip6}]
unknown victim%{other}@[127.0.0.1]
unknown victim%{far4}@{ours}
unknown "victim%{other}"@{ours}
denied  victim%{ours}@{other}
denied  victim%{other}@{third}
denied  victim%{other}@{other}
denied  {user}%{ours}@{other}
denied  victim%{other}@localhost
denied  victim%{other}@[{far4}]
syntax  victim%{other}
syntax  {user}%{ours}
"""

BANG = """
unknown {other}!victim@{ours}
unknown {other}!{user}@{ours}
unknown {third}!{other}!victim@{ours}
unknown {ours}!{other}!victim@{ours}
unknown {ours}!{user}@{ours}
unknown !victim@{ours}
unknown !{user}@{ours}
unknown {other}!@{ours}
unknown {other}!victim@[{ip4}]
unknown {other}!victim@[IPv6:{ip6}]
unknown {other}!victim%{third}@{ours}
unknown {other}!victim%{ours}@{ours}
unknown "{other}!victim"@{ours}
denied  {ours}!victim@{other}
denied  {ours}!{user}@{other}
denied  {other}!victim@{third}
denied  {ours}!{other}!victim@{third}
syntax  {other}!victim
syntax  {ours}!{other}!victim
syntax  {other}!victim@
"""

QUOTED = r"""
local   "{user}"@{ours}
unknown "victim@{other}"@{ours}
unknown "{user}@{other}"@{ours}
unknown "victim\@{other}"@{ours}
unknown "\v\i\c\t\i\m@{other}"@{ours}
unknown "{user}@{ours}"@{ours}
unknown "victim@{other}@{ours}"@{ours}
unknown "<victim@{other}>"@{ours}
unknown "victim@{other}>"@{ours}
unknown "victim@{other},{user}"@{ours}
unknown "victim@{other} "@{ours}
unknown " victim@{other}"@{ours}
unknown "@{ours}:victim@{other}"@{ours}
unknown "@{other}:{user}"@{ours}
unknown ""@{ours}
unknown " "@{ours}
unknown "{user} "@{ours}
unknown "\""@{ours}
unknown "victim@{other}"@[{ip4}]
unknown "victim@{other}"@[IPv6:{ip6}]
unknown "victim@{other}"@[127.0.0.1]
unknown "|/bin/mail victim@{other}"@{ours}
unknown ":include:victim@{other}"@{ours}
denied  "{user}@{ours}"@{other}
denied  "victim@{other}"@{third}
denied  "victim"@{other}
denied  ""@{other}
denied  " "@{other}
syntax  "victim@{other}"
syntax  "{user}@{ours}
syntax  "victim@{other}@{ours}
syntax  victim"@{other}"@{ours}
syntax  "victim"@{other}@{ours}
syntax  "victim""@{other}"@{ours}
syntax  \"victim@{other}\"@{ours}
syntax  victim\@{other}@{ours}
"""

ROUTES = """
local   @{other}:{user}@{ours}
local   @{other},@{third}:{user}@{ours}
denied  @{ours}:victim@{other}
denied  @{ours},@{third}:victim@{other}
denied  @{third},@{ours}:victim@{other}
denied  @{ours},@{ours}:victim@{other}
denied  @{other}:victim@{other}
denied  @{other}:victim@{third}
denied  @localhost:victim@{other}
denied  @{ours}:victim@[{far4}]
denied  @{ours}:victim%{ours}@{other}
denied  @{ours}:{ours}!victim@{other}
denied  @{ours}:"{user}@{ours}"@{other}
denied  @{ours}:{user}@sub.{ours}
unknown @{ours}:victim%{other}@{ours}
unknown @{ours}:{other}!victim@{ours}
unknown @{ours}:"victim@{other}"@{ours}
unknown @{other}:victim@{ours}
unknown @{other}:victim%{other}@[{ip4}]
syntax  @{ours}:@{other}:victim@{third}
syntax  @{ours}:
syntax  @{ours}
syntax  @{ours},victim@{other}
syntax  @{ours};victim@{other}
syntax  @{ours}: victim@{other}
syntax  @{ours} :victim@{other}
syntax  {ours}:victim@{other}
syntax  @[{ip4}]:victim@{other}
syntax  @:victim@{other}
syntax  @{ours},:victim@{other}
syntax  @{ours}@{third}:victim@{other}
refused @{ours}:{user}%{other}
"""

LITERALS = """
local   {user}@[{ip4}]
local   {user}@[IPv6:{ip6}]
local   postmaster@[{ip4}]
unknown victim@[{ip4}]
unknown victim@[IPv6:{ip6}]
unknown victim@[IPv6:::ffff:{ip4}]
unknown victim@[127.0.0.1]
unknown victim@[127.1.2.3]
unknown victim@[0.0.0.0]
unknown victim@[IPv6:::1]
unknown victim@[IPv6:::]
unknown victim@[IPv6:::ffff:127.0.0.1]
denied  victim@[{far4}]
denied  {user}@[{far4}]
denied  victim@[10.0.0.1]
denied  victim@[169.254.169.254]
denied  victim@[255.255.255.255]
denied  victim@[IPv6:2001:db8:ffff::80]
denied  victim@[IPv6:fe80::1]
denied  victim@[IPv6:::ffff:{far4}]
syntax  victim@[{far4}
syntax  victim@{far4}]
syntax  victim@[[{far4}]]
syntax  victim@[{other}]
syntax  victim@[999.1.1.1]
syntax  victim@[1.2.3]
syntax  victim@[0x7f.0.0.1]
syntax  victim@[IPv6:{far4}]
syntax  victim@[IPv6:fe80::1%eth0]
syntax  victim@[]
syntax  victim@[{ip4}]@{other}
syntax  victim@{other}@[{ip4}]
syntax  victim@[{ip4}].{other}
"""

BROKEN = """
local   postmaster
local   Postmaster
syntax  victim
syntax  {user}
syntax  victim@
syntax  @
syntax  @{other}
syntax  victim@{other}.
syntax  {user}@{ours}.
syntax  victim@.{other}
syntax  victim@{other}..
syntax  victim@@{other}
syntax  victim@{other}@{ours}
syntax  victim@{ours}@{other}
syntax  {user}@{ours}@{other}
syntax  victim@{other}@{third}@{ours}
syntax  victim@{other},{user}@{ours}
syntax  victim@{other};{user}@{ours}
syntax  victim@{other} {user}@{ours}
syntax  victim @{other}
syntax  victim@ {other}
syntax  victim@{other}(comment)
syntax  (comment)victim@{other}
syntax  victim(@{ours})@{other}
syntax  victim@(comment){other}
syntax  victim@{other}:25
syntax  victim@{other}/{ours}
syntax  .victim@{other}
syntax  victim.@{other}
syntax  vic..tim@{other}
syntax  <victim@{other}>
syntax  victim@-{other}
syntax  victim@{ours}\\x00.{other}
refused victim@öther.example
refused victim@ｏurs.example
refused victim＠{other}
refused victim%{other}@öurs.example
"""

SENDERS = (
    "FROM:<>",
    "FROM:<{user}@{ours}>",
    "FROM:<nobody@{ours}>",
    "FROM:<postmaster@{ours}>",
    "FROM:<{user}@[{ip4}]>",
    "FROM:<root@localhost>",
    "FROM:<victim@{other}>",
    "FROM:<{user}@sub.{ours}>",
    "FROM:<@{ours}:{user}@{other}>",
)
DISGUISES = (
    ("denied", "victim@{other}"),
    ("denied", "@{ours}:victim@{other}"),
    ("unknown", "victim%{other}@{ours}"),
)

BEFORE = (
    ("RSET",),
    ("MAIL FROM:<{user}@{ours}>", "RCPT TO:<{user}@{ours}>", "RSET"),
    ("MAIL FROM:<>", "RCPT TO:<victim@{other}>", "RSET"),
    ("EHLO {ours}",),
    ("HELO localhost",),
    ("EHLO [127.0.0.1]",),
    ("VRFY {user}@{ours}", "NOOP"),
    ("MAIL FROM:<{user}@{ours}>", "RCPT TO:<postmaster>", "EHLO {ours}"),
)

PARAMETERS = (
    ("refused", "TO:<victim@{other}> NOTIFY=NEVER"),
    ("refused", "TO:<victim@{other}> ORCPT=rfc822;{user}@{ours}"),
    ("refused", "TO:<victim@{other}> NOTIFY=SUCCESS ORCPT=rfc822;postmaster"),
    ("syntax", "TO:victim@{other}"),
    ("syntax", "TO:{user}@{ours}, <victim@{other}>"),
    ("syntax", "<victim@{other}>"),
    ("syntax", "TO:<victim@{other}"),
    ("syntax", "TO:victim@{other}>"),
    ("refused", "TO:<{user}@{ours}><victim@{other}>"),
)


def _paths(table: str) -> list[Probe]:
    rows = (line.split(maxsplit=1) for line in table.strip().splitlines())
    return [Probe(f"TO:<{path}>", expect) for expect, path in rows]


PROBES: tuple[Probe, ...] = (
    *(
        probe
        for table in (PLAIN, PERCENT, BANG, QUOTED, ROUTES, LITERALS, BROKEN)
        for probe in _paths(table)
    ),
    *(
        Probe(f"TO:<{path}>", expect, sender)
        for sender in SENDERS
        for expect, path in DISGUISES
    ),
    *(Probe("TO:<victim@{other}>", "denied", before=before) for before in BEFORE),
    *(Probe(rcpt, expect) for expect, rcpt in PARAMETERS),
)
