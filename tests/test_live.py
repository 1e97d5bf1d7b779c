"""Python's own clients talk to a world through real ports on loopback."""

import imaplib
import poplib
import smtplib
import ssl
import threading
from email.message import EmailMessage

import pytest

from maillab import open_world
from maillab.gateway.live import Live
from tests.worlds import Journal, arrived

ALICE, BOB = "alice@alpha.example", "bob@beta.example"
HERE = "localhost"
SECRETS = {ALICE: "rabbit-hole", BOB: "sponge"}
SERVERS = {ALICE: "mail.alpha.example", BOB: "mx.beta.example"}


@pytest.fixture(scope="module")
def live():
    with open_world("two-domains") as world:
        with Live(world) as opened:
            yield opened
        assert Journal(world).failures == []


@pytest.fixture(scope="module")
def tls(live):
    return ssl.create_default_context(cadata=live.world.ca.pem.decode())


def port(live, who, number):
    return live.door(SERVERS[who], number).real_port


def letter(subject, sender=ALICE, to=BOB):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message.set_content("How are you?\n.\nA lone dot is above.\n")
    return message


def wait_for(live, subject, who=BOB):
    """The stored message with this subject, as soon as it is there."""
    mailbox = live.world.mailbox(who)
    return live.call(arrived(mailbox, f"Subject: {subject}\r\n".encode()))


# Sending ------------------------------------------------------------------------------


def test_smtplib_submits_with_starttls_and_login(live, tls):
    with smtplib.SMTP(HERE, port(live, ALICE, 587), timeout=30) as client:
        client.starttls(context=tls)
        client.login(ALICE, SECRETS[ALICE])
        assert client.send_message(letter("by 587")) == {}
    stored = wait_for(live, "by 587")
    assert b"with ESMTPSA id" in stored.content
    assert b"\r\n.\r\nA lone dot is above.\r\n" in stored.content


def test_smtplib_submits_with_implicit_tls(live, tls):
    with smtplib.SMTP_SSL(
        HERE, port(live, ALICE, 465), context=tls, timeout=30
    ) as client:
        client.login(ALICE, SECRETS[ALICE])
        client.send_message(letter("by 465"))
    wait_for(live, "by 465")


def test_smtplib_brings_mail_to_port_25_as_a_stranger(live):
    with smtplib.SMTP(HERE, port(live, BOB, 25), timeout=30) as client:
        client.send_message(letter("by 25", sender="x@nowhere.example"))
    assert b"with ESMTP id" in wait_for(live, "by 25").content


def test_smtplib_is_told_what_is_refused(live, tls):
    with smtplib.SMTP(HERE, port(live, ALICE, 587), timeout=30) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.7\.0"):
            client.send_message(letter("no login"))
        client.starttls(context=tls)
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login(ALICE, "wrong")
        assert caught.value.smtp_code == 535
    with smtplib.SMTP(HERE, port(live, ALICE, 25), timeout=30) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("x@nowhere.example", [BOB], "no relaying here")
        assert refused.value.recipients[BOB][0] == 550


def test_a_letter_of_more_than_a_megabyte_arrives_whole(live, tls):
    big = b"Subject: big\r\n\r\n" + b"0123456789abcde\r\n" * 100_000
    with smtplib.SMTP(HERE, port(live, ALICE, 587), timeout=60) as client:
        client.starttls(context=tls)
        client.login(ALICE, SECRETS[ALICE])
        client.sendmail(ALICE, [BOB], big)
    stored = wait_for(live, "big")
    assert stored.content.endswith(big.partition(b"\r\n\r\n")[2])


# Reading ------------------------------------------------------------------------------


@pytest.fixture
def pop3(live, tls):
    clients = []

    def connect(how):
        if how == "implicit TLS":
            client = poplib.POP3_SSL(
                HERE, port(live, BOB, 995), context=tls, timeout=30
            )
        else:
            client = poplib.POP3(HERE, port(live, BOB, 110), timeout=30)
        clients.append(client)
        if how == "STLS":
            client.stls(context=tls)
        client.user(BOB)
        client.pass_(SECRETS[BOB])
        return client

    yield connect
    for client in clients:
        if client.sock is not None:
            client.quit()


@pytest.mark.parametrize("how", ["plain", "STLS", "implicit TLS"])
def test_poplib_reads(live, pop3, how):
    deliver(live, f"pop3 {how}")
    client = pop3(how)
    count, _ = client.stat()
    _, lines, _ = client.retr(count)
    assert f"Subject: pop3 {how}".encode() in lines
    assert client.top(count, 0)[1] == lines[: lines.index(b"") + 1]
    assert len(client.uidl()[1]) == count


def test_poplib_deletes(live, pop3):
    deliver(live, "to be deleted")
    client = pop3("plain")
    number, _ = client.stat()
    client.dele(number)
    client.quit()
    texts = [message.content for message in live.world.mailbox(BOB).messages]
    assert not any(b"to be deleted" in text for text in texts)


@pytest.fixture
def imap(live, tls):
    clients = []

    def connect(how):
        if how == "implicit TLS":
            number = port(live, BOB, 993)
            client = imaplib.IMAP4_SSL(HERE, number, ssl_context=tls, timeout=30)
        else:
            client = imaplib.IMAP4(HERE, port(live, BOB, 143), timeout=30)
        clients.append(client)
        if how == "STARTTLS":
            client.starttls(ssl_context=tls)
        client.login(BOB, SECRETS[BOB])
        return client

    yield connect
    for client in clients:
        client.logout()


@pytest.mark.parametrize("how", ["plain", "STARTTLS", "implicit TLS"])
def test_imaplib_reads_and_flags(live, imap, how):
    deliver(live, f"imap {how}")
    client = imap(how)
    assert client.select("INBOX")[0] == "OK"
    _, (found,) = client.search(None, "SUBJECT", f'"imap {how}"')
    _, data = client.fetch(found, "(FLAGS BODY[])")
    assert b"How are you?" in data[0][1]
    client.store(found, "+FLAGS", r"(\Flagged)")
    assert r"\Flagged" in flags(live, f"imap {how}")


def test_imaplib_appends_copies_and_expunges(live, imap):
    client = imap("plain")
    assert client.create("Work")[0] == "OK"
    assert client.append("Work", r"(\Seen)", None, bytes(letter("kept")))[0] == "OK"
    client.select("Work")
    client.copy("1", "INBOX")
    client.store("1", "+FLAGS", r"(\Deleted)")
    assert client.expunge()[1] == [b"1"]
    assert r"\Seen" in flags(live, "kept")


def deliver(live, subject):
    with smtplib.SMTP(HERE, port(live, BOB, 25), timeout=30) as client:
        client.send_message(letter(subject))
    wait_for(live, subject)


def flags(live, subject):
    return wait_for(live, subject).flags


# The doors ----------------------------------------------------------------------------


def test_real_clients_are_in_the_trace_and_their_passwords_are_not(live, tls):
    with smtplib.SMTP(HERE, port(live, ALICE, 587), timeout=30) as client:
        client.login(ALICE, SECRETS[ALICE])
    session = live.world.trace.find_sessions(client="your-computer")[-1]
    told = session.transcript().text()
    assert "AUTH PLAIN" in told
    assert SECRETS[ALICE] not in told
    assert session.outcome == "closed"


def test_fifty_real_clients_at_once(live):
    def bring(number):
        with smtplib.SMTP(HERE, port(live, BOB, 25), timeout=30) as client:
            client.send_message(letter(f"one of many {number}"))

    threads = [threading.Thread(target=bring, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(50):
        wait_for(live, f"one of many {number}")


def test_when_the_doors_close_the_world_goes_on_without_real_time():
    with open_world("hello") as world:
        with Live(world) as live:
            number = live.door("mail.hello.example", 25).real_port
            client = smtplib.SMTP(HERE, number, timeout=30)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
        client.close()
        with pytest.raises(ConnectionRefusedError):
            smtplib.SMTP(HERE, number)
        before = world.time
        world.advance("1 day")
        assert world.time == before + 86400
        assert world.send("alice", "bob@hello.example", "After").startswith("250")
