"""What every directory must do, wherever it keeps its accounts."""

import hashlib
import random
from contextlib import ExitStack, contextmanager

import pytest

from maillab.errors import LabError
from maillab.store.accounts import DISABLED, NO_ACCOUNT, OTHER_USER, WRONG_PASSWORD
from maillab.store.passwords import Hasher
from maillab.store.sql_accounts import SqlDirectory
from maillab.wire.sasl import Credentials, ScramVerifier

ANN, BOB = "ann@alpha.example", "bob@beta.example"
DOMAINS = ("alpha.example", "beta.example")


def seeded(**options):
    return Hasher(random.Random("test"), **options)


def plain(user, password="tea", authzid=""):
    return Credentials(authzid, user, password)


@contextmanager
def closing_all():
    """Makes databases, and closes them at the end."""
    with ExitStack() as stack:

        def made(hasher, url):
            directory = SqlDirectory(url, hasher, domains=DOMAINS)
            stack.callback(directory.close)
            return directory

        yield made


class AccountsSuite:
    """Subclasses have a fixture `make`: a directory of DOMAINS with this hasher."""

    @pytest.fixture
    def directory(self, make):
        directory = make(seeded())
        directory.add(ANN, "tea", "Ann")
        directory.add(BOB, "milk")
        return directory

    # Who is there

    def test_accounts_come_oldest_first(self, directory):
        assert directory.names == (ANN, BOB)
        assert [account.full_name for account in directory.accounts] == ["Ann", ""]
        assert directory.domains == set(DOMAINS)

    def test_an_address_is_found_whatever_its_case(self, directory):
        account = directory.find_address("ANN", "Alpha.Example")
        assert account is directory.find_login("Ann@Alpha.example")
        assert account.address == ANN
        assert directory.find_address("ann", "beta.example") is None
        assert directory.is_local("BETA.example")
        assert not directory.is_local("gamma.example")

    def test_a_quoted_local_part_is_the_same_address(self, directory):
        assert directory.find_address('"ann"', "alpha.example").address == ANN

    def test_postmaster_is_somebody_in_every_local_domain(self, directory):
        assert directory.find_address("Postmaster", "beta.example").address == ANN
        assert directory.find_address("postmaster", "").address == ANN
        assert directory.find_address("postmaster", "gamma.example") is None

    def test_a_local_part_is_a_login_if_only_one_account_has_it(self, directory):
        assert directory.find_login("ann").address == ANN
        directory.add("Ann@beta.example", "tea")
        assert directory.find_login("ann") is None
        assert directory.find_login("ann@beta.example").local_part == "Ann"

    @pytest.mark.parametrize(
        "login", ["%", "a%", "_nn", "", "@", "' OR '1'='1", "ann'--"]
    )
    def test_a_login_is_never_read_as_a_pattern_or_as_sql(self, directory, login):
        assert directory.find_login(login) is None
        assert directory.verify(plain(login)).reason == NO_ACCOUNT
        assert directory.find_address(login, "alpha.example") is None

    def test_mailboxes_stay_the_same_between_questions(self, directory):
        directory.find_login("ann").mailboxes.create("lists")
        assert "lists" in directory.find_address("ann", "alpha.example").mailboxes.names

    # Who may log in

    def test_the_right_password_logs_in(self, directory):
        login = directory.verify(plain(ANN))
        assert (login.account.address, login.reason, login.temporary) == (
            ANN,
            "",
            False,
        )

    @pytest.mark.parametrize(
        ("credentials", "reason"),
        [
            (plain(ANN, "Tea"), WRONG_PASSWORD),
            (plain(ANN, ""), WRONG_PASSWORD),
            (plain("eve"), NO_ACCOUNT),
            (plain(ANN, authzid=BOB), OTHER_USER),
            (Credentials("", "eve", proven=True), NO_ACCOUNT),
            (Credentials("", ANN, proven=False), WRONG_PASSWORD),
        ],
    )
    def test_a_wrong_login_has_a_reason(self, directory, credentials, reason):
        login = directory.verify(credentials)
        assert (login.account, login.reason, login.temporary) == (None, reason, False)

    def test_a_proof_is_as_good_as_a_password(self, directory):
        assert directory.verify(Credentials("", "ann", proven=True)).account
        directory.disable("ann")
        assert directory.verify(Credentials("", "ann", proven=True)).reason == DISABLED

    # Administering

    def test_a_new_account_can_log_in_at_once(self, directory):
        account = directory.add("cleo@alpha.example", "nile")
        assert account.enabled
        assert directory.verify(plain("cleo", "nile")).account is account
        assert account.mailboxes.names[0] == "INBOX"

    def test_there_are_no_two_accounts_of_one_address(self, directory):
        with pytest.raises(LabError, match="there is an account ANN@"):
            directory.add("ANN@alpha.example", "tea")

    def test_an_account_lives_in_a_domain_of_the_server(self, directory):
        with pytest.raises(LabError, match="the domains of this server are alpha"):
            directory.add("ann@gamma.example", "tea")

    def test_an_account_needs_a_password(self, directory):
        with pytest.raises(LabError, match="an empty one was given"):
            directory.add("cleo@alpha.example", "")
        with pytest.raises(LabError, match="an empty one was given"):
            directory.set_password(ANN, "")

    def test_a_disabled_account_gets_mail_and_cannot_log_in(self, directory):
        directory.disable(ANN)
        assert directory.verify(plain(ANN)).reason == DISABLED
        assert directory.verify(plain(ANN, "no")).reason == WRONG_PASSWORD
        assert directory.find_address("ann", "alpha.example").address == ANN
        assert not directory.is_active("ann")
        directory.enable(ANN)
        assert directory.verify(plain(ANN)).account
        assert directory.is_active("ann")

    def test_a_removed_account_is_gone_and_its_letters_too(self, directory):
        directory.find_login(ANN).mailboxes.create("lists")
        directory.remove("ann")
        assert directory.find_login(ANN) is None
        assert not directory.is_active(ANN)
        assert directory.names == (BOB,)
        assert "lists" not in directory.add(ANN, "tea").mailboxes.names

    def test_the_old_password_ends_with_the_new_one(self, directory):
        directory.set_password(ANN, "coffee")
        assert directory.verify(plain(ANN)).reason == WRONG_PASSWORD
        assert directory.verify(plain(ANN, "coffee")).account
        assert directory.secret_for("SCRAM-SHA-256", ANN).has_password("coffee")

    @pytest.mark.parametrize("change", ["remove", "disable", "enable", "unlock"])
    def test_nobody_can_be_changed_who_is_not_there(self, directory, change):
        with pytest.raises(LabError, match=f"no account eve; the accounts are {ANN}"):
            getattr(directory, change)("eve")

    def test_who_watches_is_told_of_every_loss(self, directory):
        told = []
        stop = directory.watch(lambda account, event: told.append((account, event)))
        ann, bob = directory.accounts
        directory.disable(ANN)
        directory.enable(ANN)
        directory.set_password(BOB, "cocoa")
        directory.remove(BOB)
        stop()
        stop()
        directory.disable(ANN)
        assert told == [(ann, "disabled"), (bob, "password"), (bob, "removed")]

    # What mechanisms need

    def test_scram_gets_a_verifier(self, directory):
        verifier = directory.secret_for("SCRAM-SHA-256", "ann")
        assert isinstance(verifier, ScramVerifier)
        assert (verifier.iterations, len(verifier.salt)) == (4096, 16)
        assert verifier.has_password("tea")
        assert verifier == directory.secret_for("scram-sha-256", ANN)
        assert directory.secret_for("SCRAM-SHA-256", "eve") is None

    def test_cram_md5_gets_nothing_unless_passwords_can_be_read(self, directory):
        assert directory.secret_for("CRAM-MD5", ANN) is None

    def test_a_reversible_directory_has_the_password_itself(self, make):
        directory = make(seeded(reversible=True))
        directory.add(ANN, "tea")
        assert directory.secret_for("CRAM-MD5", "ann") == "tea"
        assert directory.secret_for("SCRAM-SHA-256", "ann").has_password("tea")
        assert directory.verify(plain(ANN)).account
        assert directory.verify(plain(ANN, "te")).reason == WRONG_PASSWORD

    def test_a_password_that_scram_cannot_have_is_still_a_password(self, directory):
        directory.set_password(ANN, "bell\a")  # RFC 4013 §2.3
        assert directory.secret_for("SCRAM-SHA-256", ANN) is None
        assert directory.verify(plain(ANN, "bell\a")).account

    # What nobody should see

    def test_an_unknown_name_takes_as_much_work_as_a_wrong_password(
        self, directory, monkeypatch
    ):
        done, real = [], hashlib.scrypt

        def counted(password, **options):
            done.append((options["n"], options["r"], options["p"]))
            return real(password, **options)

        monkeypatch.setattr(hashlib, "scrypt", counted)
        directory.verify(plain(ANN, "wrong"))
        directory.verify(plain("eve", "wrong"))
        assert len(done) == 2
        assert done[0] == done[1]

    def test_no_representation_shows_a_password(self, make):
        directory = make(seeded(reversible=True))
        account = directory.add(ANN, "oolong")
        login = directory.verify(plain(ANN, "oolong"))
        secret = directory.secret_for("SCRAM-SHA-256", ANN)
        shown = f"{directory!r} {account!r} {login!r} {secret!r} {directory.accounts}"
        assert "oolong" not in shown
