"""Sends automatic answers while people are away (RFC 3834).

Goes in: a message that has been delivered. Comes out: perhaps an answer, by `inject`.

Rule: this agent remembers who was answered when; `policy.vacation` decides.
"""

from maillab.agents.expansion import NEVER, Inject
from maillab.agents.injection import Injection
from maillab.agents.machine import Machine
from maillab.agents.serving import tell_verdict
from maillab.policy.domains import Ours
from maillab.policy.recipients import find_entry, same_address
from maillab.policy.settings import DAY, Settings
from maillab.policy.vacation import (
    Answer,
    VacationFacts,
    encoding_of,
    judge_vacation,
    vacation_answer,
)
from maillab.policy.verdict import Verdict
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.message import Header, date_text
from maillab.wire.smtp_path import NULL_PATH

FORGET_EVERY = 1000  # answers


class Vacationing:
    """Answers for all accounts of one server.

    answered  when which sender was answered for which account, in seconds since the
              world began
    """

    def __init__(self, machine: Machine, hostname: str, inject: Inject) -> None:
        self.machine = machine
        self.hostname = hostname
        self.inject = inject
        self.answered: dict[tuple[str, str], float] = {}
        self._ids = machine.random("vacation ids")

    def answer(
        self, entry: QueueEntry, account: str, ours: Ours, settings: Settings
    ) -> Verdict | None:
        """Answer, if there is a vacation and nothing speaks against it."""
        at = find_entry(*same_address(account), settings.recipients.vacations)
        if at is None:
            return None
        header = Header.from_wire(entry.content)
        key = (account.lower(), str(entry.reverse_path).lower())
        now = self.machine.time()
        facts = VacationFacts(
            account, entry.reverse_path, header, ours, now, self.answered.get(key)
        )
        verdict = judge_vacation(facts, at, settings)
        subject = f"vacation answer of {account} to {entry.reverse_path.to_path()}"
        tell_verdict(self.machine, subject, verdict)
        if verdict.accepted:
            self._remember(key, now, settings)
            self._send(entry, at, header, settings)
        return verdict

    def _remember(self, key: tuple[str, str], now: float, settings: Settings) -> None:
        """... and forget, now and then, what no vacation asks for."""
        self.answered[key] = now
        if len(self.answered) % FORGET_EVERY == 0:
            days = max(one.days for one in settings.recipients.vacations)
            self.answered = {
                who: when
                for who, when in self.answered.items()
                if now - when < days * DAY
            }

    def _send(
        self, entry: QueueEntry, at: int, header: Header, settings: Settings
    ) -> None:
        vacation = settings.recipients.vacations[at]
        now = self.machine.now()
        stamp = now.strftime("%Y%m%d%H%M%S")
        id = f"<{stamp}.{self._ids.getrandbits(32):08X}.vacation@{self.hostname}>"
        content = vacation_answer(
            Answer(vacation, date_text(now), id), entry.reverse_path, header
        )
        body = "7BIT" if encoding_of(vacation.text) == "7bit" else "8BITMIME"
        # "NOTIFY=NEVER" and the null reverse-path: nobody answers an answer.
        recipient = Recipient(entry.reverse_path, NEVER)
        made = self.inject(
            Injection(NULL_PATH, (recipient,), content, "vacation", body=body)
        )
        self.machine.emit(
            "mediated",
            message=entry.message,
            queue_id=entry.id,
            what="vacation",
            recipient=vacation.address,
            targets=(str(entry.reverse_path),),
            new_message=made.message,
        )
