"""How one mail server is configured: values only, with the defaults of maillab.

Goes in: nothing. Comes out: `Settings`, which every policy and every agent reads.

Rule 1: a setting stands here once. A personality is another set of defaults for it,
        with the vendor's word; the scenario file has a key of the same name.
Rule 2: lengths of time are seconds, sizes are octets, 0 is "no limit".
Rule 3: nobody keeps a copy. Agents read `mta.settings` when they need it, so a change
        acts at the next decision.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from maillab.policy.recipient_settings import Recipients

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
MB = 1024 * 1024

Block = IPv4Network | IPv6Network

TLSLevel = Literal["none", "may", "encrypt", "verify"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken from one client.

    message_size             octets of one message (RFC 1870)
    session_size             octets of all messages of one connection
    messages                 mail transactions in one connection (RFC 9422 MAILMAX)
    recipients               of one message (RFC 5321 §4.5.3.1.8: at least 100)
    bad_commands             before the server hangs up
    hops                     Received fields (RFC 5321 §6.3)
    connections              open at one time, from all clients together
    connections_per_address  open at one time, from one client
    messages_per_hour        from one client address, or one account
    recipients_per_hour      from one client address, or one account
    idle                     seconds without a command (RFC 5321 §4.5.3.2.7)
    """

    message_size: int = 35 * MB
    session_size: int = 0
    messages: int = 0
    recipients: int = 100
    bad_commands: int = 10
    hops: int = 100
    connections: int = 0
    connections_per_address: int = 0
    messages_per_hour: int = 0
    recipients_per_hour: int = 0
    idle: float = 5 * MINUTE


PROTOCOLS = ("smtp", "pop3", "imap")
WAYS = ("local-local", "local-external", "external-local", "external-external")


@dataclass(frozen=True, slots=True)
class IPRange:
    """What clients with these addresses may do (the words are hMailServer's).

    first, last   addresses, both within the range
    priority      where ranges overlap, the highest one counts
    expires       seconds since the world began; 0: never. A ban is such a range.
    protocols     that may connect: "smtp", "pop3", "imap"
    relays        which ways mail may take: "local-local", "local-external",
                  "external-local", "external-external" (sender to recipient)
    login_for     ways that need a login
    """

    name: str
    first: str
    last: str
    priority: int = 10
    expires: float = 0.0
    protocols: tuple[str, ...] = PROTOCOLS
    relays: tuple[str, ...] = WAYS
    login_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect, and how one proves who one is.

    grant, deny        networks that may connect; deny counts only outside of grant.
                       Empty `grant`: everybody who is not denied
    anonymous          port 25 takes mail from clients that did not log in
    login_on_port_25   AUTH is offered at port 25 too
    mechanisms         of AUTH (RFC 4954), where they are offered
    plain_login        AUTH is taken without TLS
    tls_required       ports at which hardly anything goes before TLS
    hide               extensions that are not announced (the lesson "capabilities")
    vrfy, expn         "hide" (252), "tell", or "off" (502)
    ip_ranges          if there are any, they decide instead of `grant` and `deny`, and
                       about relaying too
    check_sender_domain  a sender's domain must have an MX or an address record
    smuggling          "strict": content with a bare CR or LF is refused. "keep": it is
                       taken as it is, as one message. "vulnerable": also LF and bare CR
                       around the final dot end mail data, as old servers had it
    """

    grant: tuple[Block, ...] = ()
    deny: tuple[Block, ...] = ()
    anonymous: bool = True
    login_on_port_25: bool = False
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "SCRAM-SHA-256")
    plain_login: bool = False
    tls_required: tuple[int, ...] = ()
    hide: tuple[str, ...] = ()
    vrfy: Literal["hide", "tell", "off"] = "hide"
    expn: Literal["hide", "tell", "off"] = "off"
    ip_ranges: tuple[IPRange, ...] = ()
    check_sender_domain: bool = False
    smuggling: Literal["strict", "keep", "vulnerable"] = "strict"


@dataclass(frozen=True, slots=True)
class Relay:
    """For whom mail goes on to other domains (RFC 5321 §7.9).

    networks       clients with these addresses may relay
    authenticated  clients that logged in may relay
    open           everybody may: an open relay
    sender_match   whose address a login may put into RFC5321.MailFrom: "any" one, one
                   of its own "domain"s, or only its own ("account")
    local_sender_needs_login  nobody sends in the name of a local domain without a login
    source_routes  <@a,@b:user@domain>: "ignore" the route, or "refuse" the recipient
    """

    networks: tuple[Block, ...] = ()
    authenticated: bool = True
    open: bool = False
    sender_match: Literal["any", "domain", "account"] = "any"
    local_sender_needs_login: bool = False
    source_routes: Literal["ignore", "refuse"] = "ignore"


@dataclass(frozen=True, slots=True)
class SmartHost:
    """A server that takes mail for elsewhere (RFC 5598 §4.3, "relay").

    host       a name, whose MX records are not looked up; or an [address]
    tls        "none", "may" (STARTTLS if offered, whatever the certificate),
               "encrypt" (never without TLS), "verify" (and only with a certificate
               that is right)
    implicit_tls  TLS from the first octet (port 465)
    user, password  of the account there; "" for none
    """

    host: str
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    tls: TLSLevel = "may"
    implicit_tls: bool = False


@dataclass(frozen=True, slots=True)
class RemoteDomain:
    """A domain (or "*.domain") that is not ours and that we treat in its own way.

    allow_relay  mail for it is taken from anybody, whatever `Relay` says. With the DNS
                 as route, and us among its MX records, this is a backup MX
    recipients   the addresses there that somebody has: mail for others is refused at
                 RCPT, rather than bounced later. Empty: the names are not known here
    smart_host   instead of the DNS, and of `Delivery.smart_host`
    tls          instead of `Delivery.tls`
    """

    name: str
    allow_relay: bool = False
    recipients: tuple[str, ...] = ()
    smart_host: SmartHost | None = None
    tls: TLSLevel | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How mail leaves for other servers, and when we give up (RFC 5321 §4.5.4.1).

    retry           intervals between tries; the last one repeats
    delay_warning   tell the sender after so long (RFC 3461 §4.1 "DELAY"); 0: never
    expire          ... and give up after so long
    smart_host      for all mail that has no route of its own
    direct_first    try the mail exchangers first, the smart host when that fails
    port            of mail exchangers
    tls             see `SmartHost`
    mechanisms      for logging in elsewhere, best first
    helo            our name in EHLO; "": the host's name
    masquerade      replaces local domains in RFC5321.MailFrom, at the first hop: of who
                    logged in, or may relay by address
    max_mx          how many mail exchangers are tried at most; 0: all
    concurrency     connections to one destination at one time
    messages        for one connection (IIS: 20); 0: any number
    recipients      for one transaction; more make more transactions (IIS: 100)
    keep_open       how long a connection without work waits for the next message
    report_copy     an address that gets a copy of every failure report
    report_content  what a failure report brings back: "headers" or "full", unless
                    the sender asked (RET of RFC 3461)
    drop_folder     local mail goes there as files, not into mailboxes (IIS)
    lmtp            a host (and port: "host:24") that takes local mail (RFC 2033)
    """

    retry: tuple[float, ...] = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE)
    delay_warning: float = 0.0
    expire: float = 5 * DAY
    smart_host: SmartHost | None = None
    direct_first: bool = False
    port: int = 25
    tls: TLSLevel = "may"
    mechanisms: tuple[str, ...] = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")
    helo: str = ""
    masquerade: str = ""
    max_mx: int = 0
    concurrency: int = 5
    messages: int = 0
    recipients: int = 0
    keep_open: float = 0.0
    report_copy: str = ""
    report_content: Literal["headers", "full"] = "headers"
    drop_folder: bool = False
    lmtp: str = ""


@dataclass(frozen=True, slots=True)
class LoginDelay:
    """Seconds between two POP3 logins of one user."""

    address: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Reading:
    """POP3 and IMAP: how users get at their mail.

    hide          IMAP capabilities that are not there (the lesson "capabilities")
    append_limit  octets of a message that a client puts into a mailbox (RFC 7889)
    short_literals  IMAP takes short literals only without waiting: LITERAL- instead of
                  LITERAL+ (RFC 7888 §5)
    login_delay   seconds between two POP3 logins of a user (RFC 2449 §6.5); 0: none
    login_delays  the same for some users
    expire_days   after so many days POP3 removes mail at QUIT (RFC 2449 §6.7); 0: what
                  was retrieved; or "never"
    """

    hide: tuple[str, ...] = ()
    append_limit: int = 25 * MB
    short_literals: bool = False
    login_delay: float = 0.0
    login_delays: tuple[LoginDelay, ...] = ()
    expire_days: int | Literal["never"] = "never"


@dataclass(frozen=True, slots=True)
class Greylisting:
    """Unknown (client, sender, recipient) triplets must come again (RFC 6647).

    delay   before which a second try is too early; 0: no greylisting
    window  within which it must come
    keep    how long a triplet stays known
    """

    delay: float = 0.0
    window: float = DAY
    keep: float = 36 * DAY


@dataclass(frozen=True, slots=True)
class AutoBlock:
    """`attempts` wrong logins within `window` ban an address for `ban`; 0: never."""

    attempts: int = 0
    window: float = 30 * MINUTE
    ban: float = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Defence:
    """Against clients that misbehave.

    dnsbl         zones that are asked about the client (RFC 5782)
    exempt        networks to which none of this applies
    tarpit        seconds that a refusal takes
    tarpit_after  refusals in a session before it begins
    tell_bans     "refuse" a banned client by 554, or "drop" it without a word
    """

    dnsbl: tuple[str, ...] = ()
    greylisting: Greylisting = Greylisting()
    autoblock: AutoBlock = AutoBlock()
    exempt: tuple[Block, ...] = ()
    tarpit: float = 0.0
    tarpit_after: int = 0
    tell_bans: Literal["refuse", "drop"] = "refuse"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about one mail server that an administrator may set."""

    limits: Limits = Limits()
    access: Access = Access()
    relay: Relay = Relay()
    recipients: Recipients = field(default_factory=Recipients)
    remote_domains: tuple[RemoteDomain, ...] = ()
    delivery: Delivery = Delivery()
    defence: Defence = Defence()
    reading: Reading = Reading()
