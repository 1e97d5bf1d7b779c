"""What tests of policies share: a server, and cases that say why they are so."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from maillab.policy.domains import Ours
from maillab.policy.settings import Settings
from maillab.policy.verdict import Verdict
from maillab.wire.smtp_path import NULL_PATH, Address, parse_path

ACCOUNTS = ("ann@ours.example", "bob@ours.example", "eve@sister.example")


def find_account(local_part: str, domain: str) -> str:
    """As directories do: without case, and the first account is postmaster."""
    wanted = f"{local_part}@{domain}".lower()
    if wanted in ACCOUNTS:
        return wanted
    ours = domain.lower() in ("ours.example", "sister.example")
    return ACCOUNTS[0] if local_part.lower() == "postmaster" and ours else ""


OURS = Ours.of(
    ("ours.example", "sister.example"), ("192.0.2.25", "2001:db8::25"), find_account
)


def path(text: str) -> Address:
    """An address; "<>" and "postmaster" too."""
    if text == "<>":
        return NULL_PATH
    return parse_path(f"<{text}>")[0]


@dataclass(frozen=True)
class Case:
    """Under `settings`, `judge` gives this verdict. `why` is for people."""

    why: str
    settings: Settings
    judge: Callable[[Settings], Verdict]
    result: str
    setting: str = ""
    code: str = ""

    def check(self) -> None:
        verdict = self.judge(self.settings)
        assert verdict.result == self.result, verdict
        assert verdict.setting == self.setting, verdict
        if self.code:
            assert verdict.code == self.code, verdict

    def __str__(self) -> str:
        return self.why


def value_at(settings: Any, setting: str) -> Any:
    """What stands at a path such as "recipients.lists.0.mode". Raises LookupError."""
    for part in setting.split("."):
        if isinstance(settings, tuple):
            settings = settings[int(part)]
        elif is_dataclass(settings) and part in {f.name for f in fields(settings)}:
            settings = getattr(settings, part)
        else:
            raise LookupError(setting)
    return settings
