"""What a policy says: yes or no, why, and who says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result` "accept", "reject" (for good) or "defer" (for now).

    `reason` in words that a student understands; `code` the enhanced status code
    (RFC 3463) that fits; `rfc` the section that the rule comes from.
    """

    result: str
    reason: str
    code: str = ""
    rfc: str = ""

    @property
    def accepted(self) -> bool:
        """Yes."""
        return self.result == "accept"
