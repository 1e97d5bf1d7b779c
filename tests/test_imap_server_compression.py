"""COMPRESS=DEFLATE: what a transcript cannot show (RFC 4978)."""

import zlib
from pathlib import Path
from runpy import run_path

from maillab.agents.imap_access import ImapAccess
from maillab.protocol.engine import Pause, Question
from maillab.protocol.imap_server import IMAPServer
from maillab.protocol.imap_server_compression import PIECE
from maillab.protocol.imap_server_events import Done
from maillab.protocol.imap_server_input import LINE_AFTER_LOGIN
from maillab.protocol.imap_server_options import IMAPServerOptions
from tests.worlds import plain_world

new_session = run_path(str(Path(__file__).with_name("imap_player.py")))["new_session"]
LOGIN = b"a LOGIN ann wonderland\r\n"
COMPRESS = b"b COMPRESS DEFLATE\r\n"


def packed(octets: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(octets) + packer.flush(zlib.Z_SYNC_FLUSH)


def unpacked(octets: bytes) -> bytes:
    return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(octets)


def compressed_engine() -> IMAPServer:
    engine = IMAPServer(IMAPServerOptions(plain_login=True))
    engine.receive(LOGIN + COMPRESS)
    events(engine)
    engine.data_to_send()
    engine.lines_spoken()
    return engine


def events(engine: IMAPServer, watch=lambda: None) -> list:
    found = []
    while event := engine.next_event():
        found.append(event)
        watch()
        if isinstance(event, Question):
            engine.answer(Done())
    return found


def test_the_ok_itself_is_not_compressed_even_if_it_leaves_late():
    engine = IMAPServer(IMAPServerOptions(plain_login=True))
    engine.receive(LOGIN + COMPRESS + packed(b"c NOOP\r\n"))
    events(engine)
    before, ok, after = engine.data_to_send().partition(
        b"b OK Compressed from here on\r\n"
    )
    assert b"Welcome" in before
    assert ok
    assert unpacked(after) == b"c OK Nothing done\r\n"


def test_a_bomb_takes_no_memory_and_lets_others_have_a_turn():
    engine = compressed_engine()
    sizes = []
    bomb = packed(bytes(8 * 1024 * 1024) + b"\r\n")
    assert len(bomb) < 10_000
    engine.receive(bomb)
    found = events(engine, lambda: sizes.append(len(engine._lines)))
    assert sum(isinstance(event, Pause) for event in found) >= 7
    assert max(sizes) <= LINE_AFTER_LOGIN + PIECE
    assert b"BYE Line too long" in unpacked(engine.data_to_send())


def test_what_is_no_deflate_stream_ends_the_session():
    engine = compressed_engine()
    engine.receive(b"c NOOP\r\n")
    events(engine)
    assert engine.closed
    assert unpacked(engine.data_to_send()) == b"* BYE This is no deflate stream\r\n"


def test_the_end_of_the_stream_ends_the_session():
    engine = compressed_engine()
    engine.receive(zlib.compress(b"c NOOP\r\n", wbits=-zlib.MAX_WBITS) + b"more")
    events(engine)
    assert engine.closed
    assert unpacked(engine.data_to_send()).startswith(b"c OK Nothing done\r\n* BYE ")


def test_the_record_says_what_was_compressed_and_goes_on_counting():
    engine = IMAPServer(IMAPServerOptions(plain_login=True))
    engine.receive(LOGIN + COMPRESS)
    events(engine)
    engine.receive(packed(b"c NOOP\r\n"))
    events(engine)
    heard = [s for s in engine.lines_spoken() if s.speaker == "C"]
    assert [s.compressed for s in heard] == [False, False, True]
    assert heard[-1].octets == b"c NOOP\r\n"
    assert heard[-1].offset == len(LOGIN + COMPRESS)


def test_a_literal_may_be_cut_anywhere():
    session = new_session()
    session.greeting(1)
    session.hear(1, LOGIN)
    session.hear_octets(1, COMPRESS)
    said = b""
    for octet in packed(b"c APPEND INBOX {20000+}\r\n" + b"x" * 20_000 + b"\r\n"):
        said += session.hear_octets(1, bytes([octet]))
    assert b"c OK [APPENDUID 1 1]" in unpacked(said)


# In a world ---------------------------------------------------------------------------

SERVER, PC = "mail.alpha.example", "bob-pc"


async def talk(host) -> bytes:
    """Log in, compress, say NOOP and LOGOUT; what came back compressed."""
    stream = await host.connect(SERVER, 2143)
    heard = b""
    for said, until in [
        (b"a LOGIN alice rabbit-hole\r\n", b"a OK"),
        (COMPRESS, b"from here on\r\n"),
    ]:
        stream.write(said)
        while until not in heard:
            heard += await stream.read()
    stream.write(packed(b"c NOOP\r\nd LOGOUT\r\n"))
    inside = b""
    while data := await stream.read():
        inside += data
    return unpacked(inside)


def test_views_show_what_was_meant_and_captures_what_was_sent():
    with plain_world() as world:
        server = world.server(SERVER)
        access = ImapAccess(server.host, server.directory, plain_login=True)
        world.run(server.host.listen(2143, access.serve))
        inside = world.run(talk(world.host(PC)))
        session = world.trace.sessions[-1]
        assert inside.endswith(b"d OK Logged out\r\n")
        lines = {line.text: line for line in session.lines}
        noop, ok = lines["c NOOP"], lines["c OK Nothing done"]
        assert noop.compressed
        assert not lines["b COMPRESS DEFLATE"].compressed
        assert noop.sent_ns < noop.arrived_ns <= ok.sent_ns < ok.arrived_ns
        assert inside not in session.wire("S")
        assert "octets" not in session.ladder().text()
        assert "c NOOP" in session.transcript().text()
