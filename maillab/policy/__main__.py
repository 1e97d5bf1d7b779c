"""`python -m maillab.policy`: may this mail go through? Some answers, with reasons.

Shows for a few recipients what a server with a list, an alias and a backed-up domain
says to a stranger, by which rule and which setting.
"""

from maillab.policy.domains import Ours
from maillab.policy.recipient_settings import Alias, MailingList, Recipients
from maillab.policy.relay import RecipientFacts, judge_recipient
from maillab.policy.settings import RemoteDomain, Settings
from maillab.wire.smtp_path import parse_path

ANN = "ann@ours.example"
OURS = Ours(
    ("ours.example",),
    ("192.0.2.25",),
    lambda local_part, domain: ANN if f"{local_part}@{domain}" == ANN else "",
)
SETTINGS = Settings(
    recipients=Recipients(
        aliases=(Alias("info@ours.example", (ANN,)),),
        lists=(MailingList("staff@ours.example", (ANN,), "members"),),
    ),
    remote_domains=(RemoteDomain("*.partner.example", allow_relay=True),),
)
RECIPIENTS = (
    "<ann@ours.example>",
    "<info@ours.example>",
    "<staff@ours.example>",
    "<joe@ours.example>",
    "<ann@[192.0.2.25]>",
    "<zoe@shop.partner.example>",
    "<zoe@other.example>",
    "<@ours.example:zoe@other.example>",
    "<zoe%other.example@ours.example>",
    '<"zoe@other.example"@ours.example>',
)


def main() -> None:
    """Ask for each of them."""
    sender = parse_path("<stranger@far.example>")[0]
    for text in RECIPIENTS:
        facts = RecipientFacts(OURS, parse_path(text)[0], "203.0.113.9", "", sender)
        verdict = judge_recipient(facts, SETTINGS)
        print(f"{verdict.result:<7} {text}\n        {verdict.reason}")
        print(f"        {verdict.rule}: {verdict.setting or 'no setting'}")


if __name__ == "__main__":
    main()
