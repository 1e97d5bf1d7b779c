"""Passwords as servers keep them: every scheme, from tables that others wrote."""

import hashlib
import random
import time
from base64 import b64encode

import pytest

from maillab.store.crypt_sha import sha_crypt
from maillab.store.passwords import (
    LIGHT,
    STRONG,
    Cost,
    Hasher,
    PasswordHash,
    read_password,
    real_hasher,
)
from maillab.wire.sasl import ScramVerifier

SALT = b"0123456789abcdef"
SSHA = b64encode(hashlib.sha1(b"tea" + SALT).digest() + SALT).decode()
SSHA256 = b64encode(hashlib.sha256(b"tea" + b"salt").digest() + b"salt").decode()

# made by libxcrypt, but for the first: made here, and read by others below
KEPT = {
    "scrypt": PasswordHash.from_password("tea", SALT).to_text(),
    "plain": "{PLAIN}tea",
    "ssha": f"{{SSHA}}{SSHA}",
    "ssha256": f"{{ssha256}}{SSHA256}",
    "sha256-crypt": "{SHA256-CRYPT}%5%",
    "sha512-crypt": "{SHA512-CRYPT}%6%",
    "crypt": "{CRYPT}%6%",
    "no scheme": "%6%",
    "scram": "{SCRAM-SHA-256}%scram%",
}


def kept(name):
    """The text of a table, completed by what is too long to be written there."""
    verifier = ScramVerifier.from_password("tea", SALT, 4096)
    parts = (verifier.salt, verifier.stored_key, verifier.server_key)
    scram = ",".join(["4096", *(b64encode(part).decode() for part in parts)])
    text = KEPT[name].replace("%scram%", scram)
    text = text.replace("%5%", sha_crypt("tea", "$5$rounds=1000$pepper"))
    return text.replace("%6%", sha_crypt("tea", "$6$rounds=1000$pepper"))


@pytest.mark.parametrize("name", KEPT)
def test_a_password_is_recognised_in_every_scheme(name):
    stored = read_password(kept(name))
    assert stored.matches("tea")
    assert not stored.matches("Tea")
    assert not stored.matches("")


@pytest.mark.parametrize("name", KEPT)
def test_what_was_read_is_written_the_same(name):
    text = read_password(kept(name)).to_text()
    assert read_password(text).to_text() == text
    assert read_password(text).matches("tea")


@pytest.mark.parametrize("name", KEPT)
def test_nothing_that_is_kept_is_shown(name):
    text = kept(name)
    assert text.rpartition("$")[2].rpartition(",")[2] not in repr(read_password(text))


@pytest.mark.parametrize(
    ("setting", "digest"),
    [  # from libxcrypt: the password is "Hello world!"
        ("$5$saltstring", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("$5$rounds=1400$salt", "7i7V5hLMpAcd4L5jjeL3beZt1RTvdzDjhfqLBMvjujD"),
        (
            "$6$saltstring",
            "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdF"
            "CoEOfaS35inz1",
        ),
    ],
)
def test_sha_crypt_is_that_of_the_c_library(setting, digest):
    assert sha_crypt("Hello world!", setting) == f"{setting}${digest}"


def test_scrypt_is_that_of_the_rfc():
    """RFC 7914 §12, the third vector, as far as it goes here: 32 of its 64 octets."""
    cost = Cost(14, 8, 1)
    made = PasswordHash.from_password("pleaseletmein", b"SodiumChloride", cost)
    expected = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    assert made.digest.hex() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tea", "begins with its scheme"),
        ("", "begins with its scheme"),
        ("{PLAIN", "begins with its scheme"),
        ("{MD5}tea", "unknown scheme {MD5}; known are {SCRYPT}, {PLAIN}"),
        ("{SCRYPT}tea", "what stands behind {SCRYPT} is damaged"),
        ("{SCRYPT}ln=40,r=8,p=1$AA==$AA==", "damaged"),
        ("{SCRYPT}ln=8,r=8$AA==$AA==", "damaged"),
        ("{SSHA}AA==", "damaged"),
        ("{SSHA}tea", "damaged"),
        ("{SCRAM-SHA-256}4096,AA==", "damaged"),
        ("{SHA512-CRYPT}$1$old$hash", "damaged"),
        ("$6$rounds=999999999$salt$hash", "damaged"),
    ],
)
def test_what_cannot_be_read_is_told_and_not_quoted(text, message):
    with pytest.raises(ValueError) as caught:
        read_password(text)
    assert message in str(caught.value)
    assert "tea" not in str(caught.value)


def test_an_empty_password_is_never_right():
    hasher = Hasher(random.Random(1), reversible=True)
    assert not hasher.secret("").matches("")
    assert not Hasher(random.Random(1)).secret("").matches("")


@pytest.mark.parametrize("name", KEPT)
def test_a_very_long_password_is_soon_refused(name):
    stored = read_password(kept(name))
    began = time.process_time()
    assert not stored.matches("x" * 100_000)
    assert time.process_time() - began < 0.5


def test_salts_come_from_the_generator_that_was_given():
    one, same, other = (Hasher(random.Random(seed)).secret("tea") for seed in (1, 1, 2))
    assert one == same
    assert one.stored != other.stored
    assert one.scram.salt != other.scram.salt


def test_two_users_with_one_password_are_kept_differently():
    hasher = Hasher(random.Random(1))
    assert hasher.secret("tea").stored != hasher.secret("tea").stored


def test_real_servers_hash_dearly_and_worlds_do_not():
    assert (real_hasher().cost, Hasher(random.Random(1)).cost) == (STRONG, LIGHT)
    began = time.process_time()
    for _ in range(20):
        PasswordHash.from_password("tea", SALT, LIGHT)
    assert time.process_time() - began < 0.2


def test_comparisons_take_the_same_time(monkeypatch):
    """The length of what is equal must not show: every comparison is hmac's."""
    import maillab.store.passwords as passwords

    compared = []

    def noted(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(passwords.hmac, "compare_digest", noted)
    for name in KEPT:
        read_password(kept(name)).matches("toe")
    assert len(compared) == len(KEPT)
