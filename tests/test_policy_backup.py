"""A backup MX that knows who lives at the domain (relay_recipient_maps in Postfix)."""

import pytest

from maillab.errors import LabError
from maillab.policy.settings import RemoteDomain, Settings
from tests.test_policy_relay import rcpt

BACKUP = Settings(
    remote_domains=(
        RemoteDomain(
            "other.example", allow_relay=True, recipients=("Ann@other.example",)
        ),
    )
)


@pytest.mark.parametrize(
    ("to", "action"),
    [
        ("ann@other.example", "accept"),
        ('"ANN"@Other.example', "accept"),
        ("ghost@other.example", "reject"),
    ],
)
def test_only_known_names_are_taken(to, action):
    verdict = rcpt(to)(BACKUP)
    assert verdict.accepted == (action == "accept")
    if action == "reject":
        assert verdict.setting == "remote_domains.0.recipients"
        assert verdict.code == "5.1.1"


def test_a_login_knows_no_more_names():
    assert rcpt("ghost@other.example", user="ann@ours.example")(BACKUP).code == "5.1.1"


def test_what_is_no_address_is_said(queue_world):
    wrong = [{"name": "x.example", "allow_relay": True, "recipients": ["ann"]}]
    with pytest.raises(LabError, match=r"remote_domains\.0\.recipients\.0.*'ann'"):
        queue_world().world.configure("alpha.example", remote_domains=wrong)
