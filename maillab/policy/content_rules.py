"""Rules: when a message is so, do that with it.

Goes in: a message with its envelope, and rules. Comes out: `Effects`, for the delivery
agent to carry out.

Rule 1: the rules of the server come first, then those of the account; each in order.
Rule 2: "delete", "reject" and "stop" end it: no further rule looks at the message.
Rule 3: a field that a rule has added is there for the next rule.
Rule 4: after `rule_loops` rules have acted, no more do.
Rule 5: texts compare without case; header fields as people read them (RFC 2047).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from maillab.policy.encoded_words import decode_words
from maillab.policy.recipient_settings import Action, Condition, MailRule
from maillab.policy.recipients import Step, same_address
from maillab.policy.settings import Settings
from maillab.wire.message import Header, header_length, prepend
from maillab.wire.message import field as header_field

ENDS = ("delete", "reject", "stop")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as rules see it: for one recipient."""

    mail_from: str
    rcpt_to: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Effects:
    """What the rules want.

    letter    with the fields that they added
    folder    where it goes instead of the INBOX, or ""
    copies    folders that get it too
    forwards  addresses that get it too, each with the name of the rule
    flags     such as "\\\\Flagged"
    deleted   nobody gets it, and nobody is told
    rejected  the text of the refusal, or ""
    steps     the rules that acted, with their settings
    """

    letter: Letter
    folder: str = ""
    copies: tuple[str, ...] = ()
    forwards: tuple[tuple[str, Step], ...] = ()
    flags: frozenset[str] = field(default_factory=frozenset[str])
    deleted: bool = False
    rejected: str = ""
    steps: tuple[Step, ...] = ()


def apply_rules(letter: Letter, account: str, settings: Settings) -> Effects:
    """What the server's rules and those of an account do with a message."""
    effects = Effects(letter)
    limit = settings.recipients.rule_loops
    for at, rule in _in_order(settings.recipients.rules, account):
        if not fits(rule, effects.letter):
            continue
        if limit and len(effects.steps) >= limit:
            step = Step(rule.name, "rule limit", "recipients.rule_loops")
            return replace(effects, steps=(*effects.steps, step))
        step = Step(rule.name, "rule", f"recipients.rules.{at}")
        effects = replace(effects, steps=(*effects.steps, step))
        for action in rule.actions:
            effects = _act(effects, action, step)
            if action.do in ENDS:
                return effects
    return effects


def _in_order(rules: Sequence[MailRule], account: str) -> list[tuple[int, MailRule]]:
    server = [(at, rule) for at, rule in enumerate(rules) if not rule.account]
    own = same_address(account)
    mine = [
        (at, rule)
        for at, rule in enumerate(rules)
        if rule.account and same_address(rule.account) == own
    ]
    return server + mine


def _act(effects: Effects, action: Action, step: Step) -> Effects:
    match action.do:
        case "move":
            return replace(effects, folder=action.to)
        case "copy":
            return replace(effects, copies=(*effects.copies, action.to))
        case "forward":
            entry = (action.to, step)
            return replace(effects, forwards=(*effects.forwards, entry))
        case "flag":
            return replace(effects, flags=effects.flags | {action.to or "\\Flagged"})
        case "add-header":
            return replace(effects, letter=_with_field(effects.letter, action.to))
        case "delete" | "reject" | "stop":
            return _end(effects, action)


def _end(effects: Effects, action: Action) -> Effects:
    if action.do == "reject":
        return replace(effects, rejected=action.to or "refused by a rule")
    return replace(effects, deleted=action.do == "delete")


def _with_field(letter: Letter, text: str) -> Letter:
    name, _, value = text.partition(":")
    added = header_field(name.strip(), value.strip())
    return replace(letter, content=prepend(letter.content, added))


# Conditions ---------------------------------------------------------------------------


def fits(rule: MailRule, letter: Letter) -> bool:
    """The conditions hold: all, or any. A rule without conditions always fits."""
    held = [holds(condition, letter) for condition in rule.conditions]
    return any(held) if rule.match == "any" and held else all(held)


def holds(condition: Condition, letter: Letter) -> bool:
    """One condition holds for one of the values (or for none, with `unless`).

    >>> letter = Letter("ann@x.example", "bob@y.example", b"Subject: Hello\\r\\n\\r\\n")
    >>> holds(Condition("subject", "contains", "HELL"), letter)
    True
    """
    values = _values(condition.field, letter)
    held = any(_test(condition, value) for value in values)
    return held is not condition.unless


def _values(name: str, letter: Letter) -> list[str]:
    content = letter.content
    match name.lower():
        case "mailfrom":
            return [letter.mail_from]
        case "rcptto":
            return [letter.rcpt_to]
        case "size":
            return [str(len(content))]
        case "body":
            return [content[header_length(content) :].decode("utf-8", "replace")]
        case _:
            return [
                decode_words(value) for value in Header.from_wire(content).all(name)
            ]


def _test(condition: Condition, value: str) -> bool:
    wanted, found = condition.value.lower(), value.lower()
    match condition.test:
        case "is":
            return found == wanted
        case "contains":
            return wanted in found
        case "matches":
            return fnmatchcase(found, wanted)
        case "exists":
            return True
        case "above":
            return _number(found) > _number(wanted)
        case "below":
            return _number(found) < _number(wanted)


def _number(text: str) -> float:
    """Numbers compare as numbers; what is none is less than all of them."""
    try:
        return float(text)
    except ValueError:
        return float("-inf")
