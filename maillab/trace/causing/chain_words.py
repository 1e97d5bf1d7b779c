"""An event in one sentence, and the section of the RFC that it belongs to.

Goes in: an event. Comes out: words; secrets masked, everything printable.
"""

from collections.abc import Callable
from types import MappingProxyType

from maillab.trace.causing.causes_network import SUCCESS, is_lost
from maillab.trace.causing.causes_said import is_refusal
from maillab.trace.causing.known import Known
from maillab.trace.events import Event
from maillab.trace.lines import CONTENT, clean, masked, printable
from maillab.trace.queueview import wait
from maillab.trace.view import clip, join, plural, socket_name

_WIDTH = 200  # of what somebody said

# `{host}` and the facts of the event, all of them printable.
TOLD: MappingProxyType[str, str] = MappingProxyType(
    {
        "connect": "{host} opened a connection to {where}",
        "accept": "{host} took the connection",
        "established": "{host} got the answer: connected",
        "syn": "{host} sent SYN number {attempt}",
        "refused": "{by} refused the connection: {reason}",
        "timed_out": "nobody answered {host}: {reason}",
        "unreachable": "{by} told {host} by ICMP: {reason}",
        "icmp": "{by} told {host} by ICMP: {reason}",
        "reset": "{host} reset the connection",
        "cut": "{host} reset the connection, to both sides in the name of the other",
        "lost": "the connection ended at {host}: {reason}",
        "synack": "{host} sent its SYN-ACK again",
        "fin": "{host} has no more to send",
        "gap": "the capture lacks {size} octets",
        "port_unreachable": "{host} answered by ICMP: nobody listens here",
        "prohibited": "{host} answered by ICMP: a firewall forbids it",
        "nat": "{host} translated {inside} to {outside}",
        "address": "{host} changed its address from {old} to {new}",
        "tls": "{host} finished a TLS handshake: {version}, {cipher}",
        "tls_failed": "TLS failed at {host}: {reason}",
        "submitted": "{sender} at {host} handed the message to {to_host}",
        "accepted": "{host} took the message from <{sender}> for {recipients}, "
        "as {queue_id}",
        "attempt": "{host} tried {to_host} [{address}] for {recipients}",
        "relayed": "{to_host} took it from {host}: {reply}",
        "bounced": "{host} gave {recipient} up: {reason}",
        "queue": "{host}, queue: {action} {recipient}",
        "mediated": "{host}: mail for {recipient} is for {targets} ({what})",
        "dsn": "{host} reported {recipients}: {action}",
        "pickup": "{host} found the file {file} in its pickup folder",
        "delivered": "{host} put it into {folder} of {mailbox}",
        "fetched": "{mailbox} fetched it from {host} by {protocol}",
        "ban": "{host} banned {address}: {reason}",
        "greylist": "{host} met {client}, {sender}, {recipient}: {state}",
        "fault": "a planned fault struck at {host}, {stage}: {what} {comment}",
        "failure": "{host} caught an error of its own: {error}",
        "note": "{host}: {text}",
    }
)
REFS: MappingProxyType[str, str] = MappingProxyType(
    {
        "connect": "RFC 9293 §3.5",
        "refused": "RFC 9293 §3.5.2",
        "timed_out": "RFC 9293 §3.8.3",
        "unreachable": "RFC 1122 §4.2.3.9",
        "icmp": "RFC 1122 §4.2.3.9",
        "reset": "RFC 9293 §3.5.2",
        "cut": "RFC 9293 §3.5.2",
        "tls_failed": "RFC 8446 §6",
        "dns": "RFC 1034 §5.3.3",
        "submitted": "RFC 6409 §3.1",
        "accepted": "RFC 5321 §6.1",
        "attempt": "RFC 5321 §5.1",
        "deferred": "RFC 5321 §4.5.4.1",
        "bounced": "RFC 5321 §6.1",
        "dsn": "RFC 3464 §2",
        "mediated": "RFC 5598 §5",
        "delivered": "RFC 5321 §4.4",
        "greylist": "RFC 6647 §2",
    }
)


def told(known: Known, event: Event) -> str:
    """The event in one sentence without a full stop."""
    if event.kind == "line":
        return clean(_line(known, event))
    special = SPECIAL.get(event.kind)
    if special:
        return clean(special(event))
    form = TOLD.get(event.kind)
    if form is None:
        return clean(f"{event.host}: {event.kind}")
    facts = {name: join(value) for name, value in event.facts.items()}
    if event.kind == "connect":
        facts["where"] = _where(event)
    facts["by"] = facts.get("by") or "nobody"
    words = form.format_map({"host": clean(event.host)} | facts)
    return words.strip().rstrip(":")


def ref_of(event: Event) -> str:
    """The section of an RFC: its own, or that of its kind."""
    return clean(event.get("ref")) or REFS.get(event.kind, "")


def is_null_mx(event: Event) -> bool:
    """A domain says that it takes no mail (RFC 7505 §3)."""
    return event["type"] == "MX" and list(event["answers"]) == ["MX 0 ."]


def is_bad(event: Event) -> bool:
    """A failure or a refusal, rather than a step on the way."""
    if event.kind == "dns":
        return event["rcode"] not in SUCCESS or is_null_mx(event)
    if event.kind in ("policy", "auth"):
        return not _is_ok(event)
    if event.kind == "power":
        return not event["on"]
    if event.kind == "line":
        return is_refusal(event)
    return event.kind in _BAD


_BAD = frozenset(
    "rule ban fault failure address cut timed_out refused unreachable tls_failed "
    "reset lost bounced deferred".split()
)


def _is_ok(event: Event) -> bool:
    return event["verdict"] == "accept" if event.kind == "policy" else bool(event["ok"])


def _where(event: Event) -> str:
    name, socket = clean(event.get("to")), clean(socket_name(event["dst"]))
    same = not name or name == event["dst"][0]
    return socket if same else f"{name} [{socket}]"


def _line(known: Known, event: Event) -> str:
    spoken = masked(event["octets"], event["secret"]).rstrip(b"\r\n")
    text = clip(" ".join(map(printable, spoken.split(b"\r\n"))), _WIDTH)
    connection = event.connection
    if event["what"] in CONTENT and not event["secret"]:
        text = f"{event['what']}, {plural(len(event['octets']), 'octet')}"
    if event["speaker"] == "S":
        who = known.server(connection) or "the server"
        return f'{who} replied "{text}"'
    return f'{known.client(connection) or "the client"} said "{text}"'


def _policy(event: Event) -> str:
    verb = "accepted" if _is_ok(event) else "refused"
    rule = f" (rule: {event['rule']})" if event.get("rule") else ""
    return f"{event.host} {verb} {event['subject']}: {event['reason']}{rule}"


def _auth(event: Event) -> str:
    how = f"by {event['mechanism']} at {event.host}"
    if _is_ok(event):
        return f"{event['user']} logged in {how}"
    return f"{event['user']} could not log in {how}: {event['reason']}"


def _dns(event: Event) -> str:
    source = "its cache" if event["cached"] else event["server"]
    asked = f"{event['question']} {event['type']}"
    if event["rcode"] == "timeout":
        return f"{event.host} asked {source} for {asked}: no answer"
    values = ", ".join(str(one).partition(" ")[2] for one in event["answers"])
    said = {"NOERROR": values, "referral": f"ask {values}"}.get(event["rcode"])
    return f"{event.host} learned from {source}: {asked}: {said or event['rcode']}"


def _datagram(event: Event) -> str:
    to = socket_name(event["dst"])
    if not is_lost(event):
        return f"{event.host} sent a datagram to {to}"
    lost = event.get("lost_at")
    behind = f" behind {lost}" if lost else ""
    return f"{event.host} sent a datagram to {to}, which got lost{behind}"


def _rule(event: Event) -> str:
    comment = f" ({event['comment']})" if event["comment"] else ""
    ends = f"{socket_name(event['src'])} → {socket_name(event['dst'])}"
    number = f"rule {event['number']}" if event["number"] else "a rule"
    what = f"{event['action']} {event['protocol']} {ends}, {event['direction']}"
    return f"{number} of {event.host}{comment} said: {what}"


def _bytes(event: Event) -> str:
    return f"{event.host} sent {plural(len(event['data']), 'octet')}"


def _power(event: Event) -> str:
    return f"{event.host} was switched {'on' if event['on'] else 'off'}"


def _syn_fate(event: Event) -> str:
    lost = event["lost_at"]
    return f"the SYN of {event.host} got lost behind {lost}" if lost else "a SYN ended"


def _deferred(event: Event) -> str:
    who = f"{event.host} put {event['recipient']} off for {wait(event) or 'a while'}"
    return f"{who}: {event['reason']}"


SPECIAL: MappingProxyType[str, Callable[[Event], str]] = MappingProxyType(
    {
        "policy": _policy,
        "auth": _auth,
        "dns": _dns,
        "datagram": _datagram,
        "rule": _rule,
        "bytes": _bytes,
        "power": _power,
        "syn_fate": _syn_fate,
        "deferred": _deferred,
    }
)
