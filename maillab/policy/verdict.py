"""What a policy says: yes or no, why, by which setting, and who says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result` "accept", "reject" (for good) or "defer" (for now).

    reason   in words that a student understands
    code     the enhanced status code that fits (RFC 3463)
    rfc      the section that the rule comes from
    phrase   the name of the reply in the phrasebook (`protocol.smtp_phrases`)
    rule     the name of the rule that decided, such as "relay network"
    setting  the path of the setting that decided, as a scenario file has it:
             "relay.networks", "recipients.lists.0.mode"; "" when none did
    """

    result: str
    reason: str
    code: str = ""
    rfc: str = ""
    phrase: str = ""
    rule: str = ""
    setting: str = ""

    @property
    def accepted(self) -> bool:
        """Yes."""
        return self.result == "accept"
