"""TLS of foreign programs: what the handshake tells, what the keys open."""

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.trace.hearing.tls_keys import KeyRing, expand, expand_label, prf
from maillab.trace.hearing.tls_opening import Opening
from maillab.trace.hearing.tls_records import Handshake, RecordReader
from maillab.trace.hearing.tls_suites import find_suite
from maillab.trace.pieces import Burst
from tests.tls_talk import NAME, Wiretap, said

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CIPHERS = (
    "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "AES128-CCM",
    "AES256-CCM8",
    "AES128-SHA",
    "AES256-SHA256",
    "ECDHE-RSA-AES256-SHA384",
)
GREETING = ("S: 220 mx ESMTP", "C: EHLO a", "S: 250-mx", "S: 250 STARTTLS")
STARTTLS = (*GREETING, "C: STARTTLS", "S: 220 go ahead")
INSIDE = (
    "C: EHLO a",
    "S: 250-mx",
    "S: 250 AUTH PLAIN",
    "C: AUTH PLAIN AGFubgBzZWNyZXQ=",
    "S: 235 welcome",
    "C: QUIT",
    "S: 221 bye",
)
HEARD = [row.replace(":", "=", 1) for row in INSIDE]
HEARD[3] = "C= AUTH PLAIN ********"


def starttls(folder, **options):
    """A submission with STARTTLS; its wire and its keys."""
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    keys = tap.start_tls(folder, **options)
    tap.script(*INSIDE)
    return tap, keys


# What keys open -----------------------------------------------------------------------


@pytest.mark.parametrize("tickets", [0, 2])
def test_tls_1_3_is_opened(tmp_path, tickets):
    tap, keys = starttls(tmp_path, tickets=tickets)
    session = tap.session(keys)
    assert said(session) == [*STARTTLS, *HEARD]
    assert session.opened.why == ""
    assert (session.tls.version, session.tls.server_name) == ("TLSv1.3", NAME)
    assert NAME in session.tls.names  # the certificate is encrypted in TLS 1.3


@pytest.mark.parametrize("mac_inside", [False, True])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_tls_1_2_is_opened(tmp_path, cipher, mac_inside):
    options = {"version": V12, "ciphers": cipher, "mac_inside": mac_inside}
    tap, keys = starttls(tmp_path, **options)
    session = tap.session(keys)
    assert said(session) == [*STARTTLS, *HEARD]
    assert (session.tls.version, session.tls.cipher) == ("TLSv1.2", cipher)


@pytest.mark.parametrize(("port", "hello"), [(465, "220 mx"), (2525, "220 mx")])
def test_implicit_tls_is_opened_also_at_a_port_of_no_fame(tmp_path, port, hello):
    tap = Wiretap(port)
    keys = tap.start_tls(tmp_path)
    tap.script(f"S: {hello}", *INSIDE)
    session = tap.session(keys)
    assert said(session) == [f"S= {hello}", *HEARD]
    assert {line.protocol for line in session.lines} == {session.protocol} == {"SMTP"}


def test_lines_have_the_times_and_places_of_their_records(tmp_path):
    tap, keys = starttls(tmp_path)
    session = tap.session(keys)
    inside = [line for line in session.lines if line.secure]
    sent = {burst.sent_ns for side in "CS" for burst in session.bursts[side]}
    assert all(line.sent_ns in sent for line in inside)
    assert all(n.arrived_ns == n.sent_ns + tap.talk.latency for n in inside)
    assert inside[0].offset == len("EHLO a\r\nSTARTTLS\r\n")
    (first, *_) = session.opened.pieces["C"]
    assert (first.offset, first.data) == (inside[0].offset, b"EHLO a\r\n")


@pytest.mark.parametrize("version", [V12, V13])
def test_without_keys_the_handshake_still_tells(tmp_path, version):
    tap, _ = starttls(tmp_path, version=version)
    session = tap.session()
    assert said(session) == list(STARTTLS)
    assert session.tls.server_name == NAME
    assert (NAME in session.tls.names) == (version == V12)
    assert "SSLKEYLOGFILE" in session.opened.why
    text = session.transcript().text()
    assert f"{session.tls.version} begins" in text
    assert "EHLO a" in text


def test_what_nobody_can_read_is_not_said_to_be_missing(tmp_path):
    tap, _ = starttls(tmp_path)
    tap.script("C: QUIT")
    tap.talk.emit("reset", "C", side="C", latency=0)
    assert not {"no-farewell", "reset"} & {*tap.session().hints().rules}


def test_keys_of_another_session_open_nothing(tmp_path):
    (tmp_path / "other").mkdir()
    tap, keys = starttls(tmp_path)
    _, other = starttls(tmp_path / "other")
    assert "no keys" in tap.session(other).opened.why
    tap, keys = starttls(tmp_path)
    rows = [row.split(" ") for row in keys.splitlines() if row[0] != "#"]
    changed = "\n".join(f"{a} {b} {'00' * 48}" for a, b, _ in rows)
    session = tap.session(changed)
    assert session.opened.why == "the keys do not fit"
    assert said(session) == list(STARTTLS)


def test_the_secrets_of_the_handshake_may_be_missing(tmp_path):
    tap, keys = starttls(tmp_path)
    kept = [row for row in keys.splitlines() if "HANDSHAKE" not in row]
    assert said(tap.session("\n".join(kept))) == [*STARTTLS, *HEARD]


def test_a_changed_octet_is_never_shown(tmp_path):
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    keys = tap.start_tls(tmp_path)
    sealed = bytearray(tap._ends["C"].sealed(b"QUIT\r\n"))
    sealed[-3] ^= 1
    tap.talk.burst("C", bytes(sealed))
    session = tap.session(keys)
    assert said(session) == list(STARTTLS)
    assert "do not open" in session.opened.why


def test_keys_in_the_events_of_another_connection_are_found(tmp_path):
    tap, keys = starttls(tmp_path)
    for line in keys.splitlines():
        tap.trace.emit("keylog", "", "c2", 0, line=line)
    session = tap.trace.session("c1")
    assert said(session)[-1] == "S= 221 bye"


# Missing octets -----------------------------------------------------------------------


@pytest.mark.parametrize("version", [V12, V13])
def test_behind_a_gap_the_next_record_is_found(tmp_path, version):
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    keys = tap.start_tls(tmp_path, version=version)
    tap.script("C: EHLO a", "S: 250 mx")
    for _ in range(5):
        tap.lose("C", b"NOOP\r\n")
        tap.lose("S", b"250 ok\r\n")
    tap.script("C: NOOP", "S: 250 later", "C: QUIT", "S: 221 bye")
    session = tap.session(keys)
    assert said(session)[6:] == [
        "C= EHLO a",
        "S= 250 mx",
        "C= NOOP",
        "S= 250 later",
        "C= QUIT",
        "S= 221 bye",
    ]


def test_a_gap_in_the_middle_of_records_is_survived(tmp_path):
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    keys = tap.start_tls(tmp_path)
    sealed = tap._ends["S"].sealed(b"250 one\r\n") + tap._ends["S"].sealed(
        b"250 two\r\n"
    )
    tap.talk.burst("S", sealed[:10])
    facts = {"side": "S", "offset": tap.talk._sent["S"], "size": 20}
    tap.talk.emit("gap", "S", **facts)
    tap.talk._sent["S"] += 20
    tap.talk.burst("S", sealed[30:])
    assert said(tap.session(keys))[6:] == ["S= 250 two"]


@pytest.mark.parametrize("version", [V12, V13])
def test_a_client_that_seems_to_be_ahead_of_the_server_hello_is_opened(
    tmp_path, version
):
    whole = Wiretap(465)
    keys = whole.start_tls(tmp_path, version=version)
    whole.script("S: 220 mx", *INSIDE)
    wire = whole.session()
    tap = Wiretap(465)
    for side in "CS":  # all of the client first, as a bad capture may have it
        for burst in wire.bursts[side]:
            tap.talk.burst(side, burst.data)
    heard = said(tap.session(keys))
    assert next(row for row in heard if row[0] == "S") == "S= 220 mx"
    assert "C= QUIT" in heard


@pytest.mark.parametrize("side", ["C", "S"])
def test_one_side_of_tls_is_no_failed_handshake(tmp_path, side):
    both, keys = starttls(tmp_path)
    wire = both.session()
    tap = Wiretap(587)
    tap.talk.burst(side, wire.wire(side))
    tap.talk.close("C")
    session = tap.session(keys)
    assert session.find("tls_failed") is None
    assert session.opened.why
    assert not any(line.secure for line in session.lines)


# Handshakes that fail -----------------------------------------------------------------


@pytest.mark.parametrize("version", [V12, V13])
def test_a_client_that_does_not_trust_the_certificate_says_so(tmp_path, version):
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    with pytest.raises(ssl.SSLError):
        tap.start_tls(tmp_path, version=version, trust=False)
    session = tap.session((tmp_path / "keys").read_text())
    assert session.tls is None
    failed = session.find("tls_failed")
    assert (failed["side"], failed.host) == ("C", session.client)
    assert failed["reason"] == "it sent the alert: unknown CA"
    assert session.reason == failed["reason"]
    assert "TLS failed at the client: it sent" in session.transcript().text()


def test_a_failure_that_only_keys_can_name_is_a_failure_still(tmp_path):
    failing = Wiretap(465)
    with pytest.raises(ssl.SSLError):
        failing.start_tls(tmp_path, trust=False)
    wire = failing.session()
    hello, flight = wire.bursts["C"][0].data, wire.wire("S")
    tap = Wiretap(465)
    tap.send("C", hello)
    tap.send("S", flight)
    tap.send("C", bytes.fromhex("1703030013") + bytes(19))  # RFC 8446 §5.2
    failed = tap.session().find("tls_failed")
    assert "only the keys" in failed["reason"]


def test_a_connection_that_ends_in_the_handshake_has_failed(tmp_path):
    tap = Wiretap(587)
    tap.script(*STARTTLS)
    tap.send("C", bytes.fromhex("16030100c8010000c40303") + bytes(10))
    tap.talk.close("S")
    session = tap.session()
    assert session.find("tls_failed")["reason"] == "the connection ended"


def test_a_session_without_tls_has_no_opening():
    tap = Wiretap(25)
    tap.script(*GREETING)
    session = tap.session()
    assert (session.opened, session.tls, session.find("tls_failed")) == (None,) * 3


# Key schedules ------------------------------------------------------------------------


def test_hkdf_expands_as_rfc_5869_shows():
    prk = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    okm = expand(
        bytes.fromhex(prk), bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), 42, "sha256"
    )
    assert okm.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c")


def test_traffic_keys_are_those_of_rfc_8448():
    secret = "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"
    key = expand_label(bytes.fromhex(secret), b"key", 16, "sha256")
    iv = expand_label(bytes.fromhex(secret), b"iv", 12, "sha256")
    assert key.hex() == "dbfaa693d1762c5b666af5d950258d01"
    assert iv.hex() == "5bd3c71b836e0b76bb73265f"


def test_the_prf_of_tls_1_2_gives_the_known_octets():
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    found = prf(secret, b"test label", seed, 100, "sha256")
    assert found.hex().startswith("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495")
    assert found.hex().endswith(
        "fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
    )


@pytest.mark.parametrize(
    "parts",
    [
        (0x1301, "TLS_AES_128_GCM_SHA256", "AES-GCM", 16, "sha256", ""),
        (0x1305, "TLS_AES_128_CCM_8_SHA256", "CCM-8", 16, "sha256", ""),
        (0xCCA8, "ECDHE-RSA-CHACHA20-POLY1305", "ChaCha20-Poly1305", 32, "sha256", ""),
        (0xC028, "ECDHE-RSA-AES256-SHA384", "CBC", 32, "sha384", "sha384"),
        (0x002F, "AES128-SHA", "CBC", 16, "sha256", "sha1"),
        (0x000A, "DES-CBC3-SHA", "", 0, "sha256", ""),
    ],
)
def test_a_suite_tells_its_parts(parts):
    number, name, cipher, size, digest, mac = parts
    suite = find_suite(number)
    assert (suite.name, suite.cipher, suite.key_size) == (name, cipher, size)
    assert (suite.hash, suite.mac) == (digest, mac)


# Whatever a file says -----------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=8))
def test_records_of_any_octets_are_bounded_and_in_order(octets, cuts):
    reader, at, found = RecordReader(0), 0, []
    for size in [*cuts, len(octets)]:
        burst = Burst("C", at, octets[at : at + size], at, at, at + 1)
        at += len(burst.data)
        found += reader.feed(burst)
    places = [(record.offset, record.end) for record in found]
    assert all(a < b <= len(octets) for a, b in places)
    assert places == sorted(places)
    for record in found:
        assert octets[record.offset : record.end] == record.head + record.fragment


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("CS"), st.binary(max_size=80)), max_size=8))
def test_nothing_that_looks_like_tls_breaks_the_opening(parts):
    opening = Opening(KeyRing([]), lambda side, end: None)
    at = {"C": 0, "S": 0}
    opening.begin("C", 0)
    opening.begin("S", 0)
    for number, (side, body) in enumerate(parts, 1):
        kind = 20 + number % 4
        octets = bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body
        list(opening.feed(Burst(side, at[side], octets, 0, 0, number)))
        at[side] += len(octets)
    assert opening.pieces == {"C": [], "S": []}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 255))
def test_a_flipped_octet_in_a_handshake_breaks_nothing(place, flip):
    stream = HANDSHAKE()
    at = place % len(stream["S"])
    octets = bytearray(stream["S"])
    octets[at] ^= flip
    opening = Opening(KeyRing(stream["keys"].splitlines()), lambda side, end: None)
    opening.begin("C", 0)
    opening.begin("S", 0)
    list(opening.feed(Burst("C", 0, stream["C"], 0, 0, 1)))
    list(opening.feed(Burst("S", 0, bytes(octets), 0, 0, 2)))
    assert opening.pieces["S"] == []


_STREAMS: dict = {}


def HANDSHAKE() -> dict:  # noqa: N802 — a constant that is made when it is first used
    """The octets of one handshake, and its keys."""
    if not _STREAMS:
        import tempfile
        from pathlib import Path

        tap = Wiretap(465)
        with tempfile.TemporaryDirectory() as folder:
            keys = tap.start_tls(Path(folder), version=V12)
        session = tap.session()
        _STREAMS.update(C=session.wire("C"), S=session.wire("S"), keys=keys)
    return _STREAMS


def test_a_handshake_message_of_any_size_is_not_kept():
    messages = Handshake()
    huge = bytes([11]) + (2**24 - 1).to_bytes(3, "big") + bytes(1000)
    assert list(messages.feed(huge)) == []
    assert list(messages.feed(bytes([20, 0, 0, 0]))) == [(20, b"")]


def test_a_damaged_key_log_is_read_as_far_as_it_goes():
    ring = KeyRing(
        [
            "CLIENT_RANDOM zz zz",
            "CLIENT_RANDOM",
            f"CLIENT_RANDOM {'11' * 32} {'22' * 48}",
        ]
    )
    assert ring.knows(b"\x11" * 32)
    assert not ring.knows(b"")
