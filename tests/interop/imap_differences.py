"""In what maillab and Dovecot 2.3 differ, and why that is right, or at least allowed.

Goes in: a step, and what was different. Comes out: the reason, if there is one.
"""

import re
from dataclasses import dataclass

from tests.interop.imap_outcomes import Difference
from tests.interop.imap_sequences import Step


@dataclass(frozen=True)
class Known:
    """A difference: patterns for the command, the fact, ours and theirs; and why."""

    command: str
    fact: str
    ours: str
    theirs: str
    reason: str
    parts: bool = False  # after this the two stand elsewhere

    def matches(self, step: Step, difference: Difference) -> bool:
        """Is it this one?"""
        patterns = (self.command, self.fact, self.ours, self.theirs)
        facts = (step.command.decode("latin-1"), *difference)
        return all(
            re.fullmatch(pattern, fact, re.DOTALL)
            for pattern, fact in zip(patterns, facts, strict=True)
        )


KNOWN_DIFFERENCES = (
    Known(
        "(UID )?STORE .*",
        "fetch .*",
        ".+",
        "None",
        "maillab answers a STORE that changes nothing too, or that a newer modseq "
        "forbids: the client learns the flags (RFC 3501 §6.4.6, RFC 7162 §3.1.3)",
    ),
    Known(
        "(UID )?FETCH .*",
        r"fetch \d+ (BODY|BINARY)\[.*",
        "'NIL'",
        "b''",
        "a part that is not there is NIL, not empty (RFC 9051 §6.4.5.1)",
    ),
    Known(
        "ENABLE.*",
        "tagged|ENABLED",
        r"'BAD'|None|\(\)",
        ".*",
        "ENABLE is for the authenticated state, names something, and is answered by "
        "ENABLED (RFC 5161 §3.1, §3.2)",
    ),
    Known(
        "(SELECT|EXAMINE) .*",
        "code HIGHESTMODSEQ",
        ".*HIGHESTMODSEQ.*",
        "None",
        "every SELECT tells it (RFC 7162 §3.1.2.1); Dovecot does when it has made one",
    ),
    Known(
        ".*(SENTBEFORE|SENTSINCE|SENTON).*",
        "SEARCH|ESEARCH|SORT",
        ".*",
        ".*",
        "a message without a Date was not sent at any time (RFC 3501 §6.4.4); for "
        "Dovecot it was in 1970",
    ),
    Known(
        ".*PREVIEW .LAZY.*",
        "fetch .* PREVIEW",
        "b'.*",
        "'NIL'",
        "LAZY allows NIL when the preview is not ready (RFC 8970 §3.2)",
    ),
    Known(
        "(UID )?FETCH .*",
        r"fetch \d+ MODSEQ",
        r"'\*'",
        "None",
        "with CONDSTORE all FETCH responses may tell it (RFC 7162 §3.1.4.1); Dovecot "
        "does when flags have changed",
    ),
    Known(
        "(UID )?FETCH .*(ENVELOPE|ALL|FULL).*",
        "fetch .* ENVELOPE",
        r".*folded\\tand tabbed.*",
        ".*folded and tabbed.*",
        "unfolding takes CRLF away, and no tab (RFC 5322 §2.2.3)",
    ),
    Known(
        "(IDLE|NOOP) x",
        "tagged",
        "'BAD'",
        "'OK.*'",
        "it has no arguments (RFC 2177 §4, RFC 3501 §6.1.2)",
    ),
    Known(
        "(UID )?(STORE|EXPUNGE).*",
        "tagged",
        "'NO.*'",
        "'OK.*'",
        "a mailbox opened by EXAMINE cannot be changed (RFC 3501 §6.3.2), and the "
        "client hears so; Dovecot ignores the command",
    ),
    Known(
        "(UID )?MOVE.*",
        "tagged|code COPYUID|expunged.*|VANISHED.*",
        "'NO.*'|None",
        ".*",
        "... Dovecot moves messages out of such a mailbox, and they are there still",
        parts=True,
    ),
    Known(
        r".*\[0.*",
        "tagged|fetch .*",
        "'BAD'|None",
        ".*",
        "a part number is not zero (RFC 3501 §9: nz-number)",
    ),
    Known(
        "(UID )?FETCH .*",
        r"fetch \d+ (BODY|BINARY)\[(\d\.)+1[\].].*",
        "'NIL'",
        "b.*",
        "only a multipart or a message has parts (RFC 3501 §6.4.5); to Dovecot, any "
        "other part is its own part 1",
    ),
    Known(
        r".*SEARCH RETURN \(SAVE\) .*MODSEQ.*",
        "ESEARCH",
        "None",
        ".*UID.*",
        "who only saves hears nothing (RFC 5182 §2.1)",
    ),
    Known(
        ".*HEADER.FIELDS.*",
        "fetch .*",
        r"b''|.*[^n]\\r\\n'",
        r"b'(.*\\r\\n)?\\r\\n'",
        "no blank line when the message has no body and no blank line "
        "(RFC 3501 §6.4.5)",
    ),
    Known(
        "(UID )?FETCH .*PREVIEW.*",
        "fetch .* PREVIEW",
        "b'(One|At the bottom).'",
        ".*From: one.*One.*|b''",
        "what a preview shows is free (RFC 8970 §3.1); Dovecot takes the header of an "
        "embedded message for text, or does not look into one",
    ),
    Known(
        "(UID )?FETCH .*BINARY.*",
        r"fetch \d+ BINARY.*\[1\].*",
        ".*--ss.*|'182'",
        ".*--ss.*|'176'",
        "a multipart is not encoded (RFC 2045 §6.4), so BINARY has nothing to decode "
        "(RFC 3516 §4.2); Dovecot decodes the parts within",
    ),
    Known(
        "RENAME .*",
        "tagged",
        "'NO.*",
        "'NO.*",
        "two things are wrong with it, and each names another one (RFC 5530 §3)",
    ),
)


def find_known(step: Step, difference: Difference) -> Known | None:
    """Why this is so; None: nobody knows."""
    return next(
        (one for one in KNOWN_DIFFERENCES if one.matches(step, difference)), None
    )
