"""Which reports a sender gets, and when (RFC 3461 §5.2, RFC 3464).

Goes in: outcomes. Comes out: delivery status notifications in the queue.

Rule 1: a report goes from the null reverse-path to RFC5321.MailFrom; there is none
        about a report (RFC 5321 §6.1): what cannot be delivered of those ends in the
        folder for bad mail.
Rule 2: NOTIFY decides (RFC 3461 §4.1). Without it: failures, and delays where the
        administrator wants warnings.
Rule 3: where a host does not know DSN, and success was to be reported, the report says
        "relayed" (RFC 3461 §5.2.2): from there on nobody promises anything.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from maillab.agents.injection import Injection
from maillab.agents.next_steps import path_of
from maillab.agents.outcome import Outcome
from maillab.policy.retry import Bounce
from maillab.store.queue import QueueEntry, Recipient
from maillab.wire.dsn import (
    SUBJECTS,
    Action,
    RecipientStatus,
    Report,
    ReportHead,
    cut,
    report_message,
)
from maillab.wire.message import DateTime, message_id
from maillab.wire.smtp_path import NULL_PATH, Address

if TYPE_CHECKING:
    from maillab.agents.mta import MTA

WORDS: dict[Action, tuple[str, str]] = {
    "failed": (
        "Your message could not be delivered to:",
        "It will not be tried again.",
    ),
    "delayed": (
        "Your message could not be delivered yet to:",
        "It will be tried again. You need not do anything.",
    ),
    "delivered": (
        "Your message was delivered to:",
        "This is the report that you asked for.",
    ),
    "relayed": (
        "Your message was handed to the next mail server for:",
        "That server sends no reports: this is the last one.",
    ),
    "expanded": (
        "Your message goes on to several addresses, by way of:",
        "There will be no reports from those.",
    ),
}
GOOD: tuple[Action, ...] = ("delivered", "relayed", "expanded")


class Reporter:
    """Writes the reports of one server."""

    def __init__(self, mta: "MTA") -> None:
        self.mta = mta

    def report(self, entry: QueueEntry, outcomes: Sequence[Outcome]) -> None:
        """Tell the sender what became of some recipients, as far as he wants that."""
        failed = [one for one in outcomes if one.status == "failed"]
        if failed and entry.reverse_path.is_null:
            self.mta.mailroot.throw_away(entry, failed)
        self._send(entry, "failed", [one for one in failed if _wants(one, "FAILURE")])
        asked = [one for one in outcomes if _wants(one, "SUCCESS")]
        for action in GOOD:
            good = [one for one in asked if one.status == action and not one.dsn]
            self._send(entry, action, good)

    def report_as(self, entry: QueueEntry, outcome: Outcome, report: Bounce) -> None:
        """Report a failure with an envelope of somebody else's choice.

        # deviation: rule 1 is his to keep, or to break (RFC 5321 §6.1)
        """
        to = Address.from_text(report.rcpt_to)
        content = self._written(replace(entry, reverse_path=to), "failed", [outcome])
        self._inject(entry, to, content, path_of(report.mail_from))
        self._tell(entry, "failed", [outcome], content)

    def warn(self, entry: QueueEntry, recipients: Sequence[Recipient]) -> None:
        """Tell the sender that these recipients still wait."""
        for one in recipients:
            self.mta.queue.tell(entry, "warned", [one])
        late = [
            Outcome(one, "deferred", one.reason, one.code, None, one.host)
            for one in recipients
        ]
        self._send(entry, "delayed", late)

    def _send(
        self, entry: QueueEntry, action: Action, outcomes: Sequence[Outcome]
    ) -> None:
        if not outcomes or entry.reverse_path.is_null:
            return
        content = self._written(entry, action, outcomes)
        self._inject(entry, entry.reverse_path, content)
        self._tell(entry, action, outcomes, content)
        if action == "failed":
            self._copy(entry, content)

    def _tell(
        self,
        entry: QueueEntry,
        action: Action,
        outcomes: Sequence[Outcome],
        content: bytes,
    ) -> None:
        self.mta.machine.emit(
            "dsn",
            message=entry.message,
            queue_id=entry.id,
            report=message_id(content),
            action=action,
            recipients=tuple(str(one.recipient) for one in outcomes),
        )

    def _copy(self, entry: QueueEntry, content: bytes) -> None:
        """For the administrator (`delivery.report_copy`)."""
        copy = self.mta.settings.delivery.report_copy
        if not copy or copy == str(entry.reverse_path):
            return
        try:
            self._inject(entry, Address.from_text(copy), content)
        except ValueError:
            text = f"delivery.report_copy is no mail address: {copy!r}"
            self.mta.machine.emit("note", text=text)

    def _inject(
        self,
        entry: QueueEntry,
        to: Address,
        content: bytes,
        sender: Address = NULL_PATH,
    ) -> None:
        to_sender = (Recipient(to),)
        body = "7BIT" if content.isascii() else "8BITMIME"
        self.mta.inject(
            Injection(
                sender,
                to_sender,
                content,
                "report",
                body=body,
                utf8=not str(to).isascii(),
            )
        )

    # Writing --------------------------------------------------------------------------

    def _written(
        self, entry: QueueEntry, action: Action, outcomes: Sequence[Outcome]
    ) -> bytes:
        mta = self.mta
        head = ReportHead(
            mta.hostname,
            entry.reverse_path,
            SUBJECTS[action],
            mta.date(),
            mta.new_id(),
        )
        report = Report(
            mta.hostname,
            tuple(self._status(entry, action, one) for one in outcomes),
            entry.id,
            entry.envid,
            self._moment(entry.arrived),
        )
        text = self._text(action, outcomes)
        full = action == "failed" and self._full(entry)
        return report_message(head, report, text, entry.content, full=full)

    def _full(self, entry: QueueEntry) -> bool:
        """The whole message comes back (RFC 3461 §4.3), or its header only."""
        if entry.ret:
            return entry.ret == "FULL"
        return self.mta.settings.delivery.report_content == "full"

    def _text(self, action: Action, outcomes: Sequence[Outcome]) -> str:
        """For people."""
        before, after = WORDS[action]
        lines = [
            f"This is the mail server {self.mta.hostname}.",
            "",
            before,
            "",
            *(
                cut(f"  {one.recipient}: {one.reason}".removesuffix(": "))
                for one in outcomes
            ),
            "",
            after,
            "",
        ]
        return "\r\n".join(lines)

    def _status(
        self, entry: QueueEntry, action: Action, outcome: Outcome
    ) -> RecipientStatus:
        recipient = outcome.recipient
        said = str(outcome.reply) if outcome.reply else ""
        if not said and action == "delayed":
            said = recipient.reply
        usual = {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")
        tried = action in ("failed", "delayed")
        expire = self.mta.settings.delivery.expire
        return RecipientStatus(
            str(recipient),
            action,
            outcome.code or usual,
            recipient.original,
            outcome.host,
            said,
            self.mta.date() if tried else "",
            self._moment(entry.arrived + expire) if action == "delayed" else "",
        )

    def _moment(self, seconds: float) -> str:
        """A moment of this machine's clock as a date."""
        machine = self.mta.machine
        epoch = machine.now().timestamp() - machine.time() + seconds
        return DateTime.from_epoch(int(epoch)).to_text()


def _wants(outcome: Outcome, report: str) -> bool:
    return outcome.recipient.wants(report)
