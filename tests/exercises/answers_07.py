"""Answers to the exercises of notebook 07: right ones, and mistakes."""

import base64
import ssl
from contextlib import suppress
from typing import Any

from maillab.clients import IMAP4, IMAP4_SSL, POP3, POP3_SSL, SMTP, SMTP_SSL
from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty

# 7.1 ----------------------------------------------------------------------------------

Found = dict[str, str]


def conversations(lab: Lab, task: Task) -> list[list[str]]:
    """What each client sent, in lines."""
    sessions = lab.world.trace.capture(task.place).sessions
    return [s.wire("C").decode("latin-1").split("\r\n") for s in sessions]


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def way_by_way(lab: Lab, task: Task) -> Found:
    found: Found = {}
    for rows in conversations(lab, task):
        for before, row in zip(["", *rows], rows, strict=False):
            if row.startswith("PASS "):
                found[before.split()[1]] = row[5:]
            if " LOGIN " in before and before.endswith("}"):
                found[before.split()[2]] = row
            if row.startswith("AUTH PLAIN "):
                _, name, word = decoded(row[11:]).split("\0")
                found[name] = word
        if "AUTH LOGIN" in rows:
            at = rows.index("AUTH LOGIN")
            found[decoded(rows[at + 1])] = decoded(rows[at + 2])
    return found


def from_the_segments(lab: Lab, task: Task) -> Found:
    """The same, from what each packet carried, and in another order."""
    found: Found = {}
    for session in lab.world.trace.capture(task.place).sessions:
        sent = [bytes(e["data"]) for e in session.all("bytes") if e["side"] == "C"]
        octets = b"".join(sent)
        head = octets.split(b"STLS")[0].decode("latin-1")
        words = head.split()
        if "PASS" in words:
            found[words[words.index("USER") + 1]] = words[words.index("PASS") + 1]
        elif "PLAIN" in words:
            name, word = decoded(words[words.index("PLAIN") + 1]).split("\0")[1:]
            found |= {name: word}
        elif "AUTH" in words and "CRAM-MD5" not in words:
            name, word = map(decoded, words[words.index("LOGIN") + 1 :][:2])
            found |= {name: word}
        elif "LOGIN" in words:
            name, _, word = words[words.index("LOGIN") + 1 :][:3]
            found |= {name: word}
    return dict(sorted(found.items(), reverse=True))


def as_the_views_show_it(lab: Lab, task: Task) -> Found:
    return dict.fromkeys(way_by_way(lab, task), "********")


def only_pop3(lab: Lab, task: Task) -> Found:
    rows = conversations(lab, task)
    return {r[0].split()[1]: r[1].split()[1] for r in rows if r[0].startswith("USER")}


def base64_as_it_is(lab: Lab, task: Task) -> Found:
    found = way_by_way(lab, task)
    for rows in conversations(lab, task):
        if "AUTH LOGIN" in rows:
            found[decoded(rows[2])] = rows[3]
    return found


def digest_as_password(lab: Lab, task: Task) -> Found:
    found = way_by_way(lab, task)
    for rows in conversations(lab, task):
        if "AUTH CRAM-MD5" in rows:
            name, digest = decoded(rows[2]).split()
            found[name] = digest
    return found


def names_in_base64(lab: Lab, task: Task) -> Found:
    found = way_by_way(lab, task)
    for rows in conversations(lab, task):
        if "AUTH LOGIN" in rows:
            found[rows[2]] = found.pop(decoded(rows[2]), "")
    return found


def everything_behind_plain(lab: Lab, task: Task) -> Found:
    found = way_by_way(lab, task)
    for rows in conversations(lab, task):
        for row in rows:
            if row.startswith("AUTH PLAIN "):
                found[decoded(row[11:]).split("\0")[1]] = decoded(row[11:])
    return found


# 7.2 ----------------------------------------------------------------------------------


def by_hand(
    lab: Lab, task: Task, port: int, before: list[str], login: list[str]
) -> None:
    with lab.world.console(task.host, task.server, port) as console:
        for line in before:
            console.say(line)
        console.start_tls()
        for line in login:
            console.say(line)


def plain(task: Task) -> str:
    return base64.b64encode(f"\0{task.user}\0{task.password}".encode()).decode()


def smtp_and_pop3(lab: Lab, task: Task) -> None:
    smtp = ["EHLO laptop", f"AUTH PLAIN {plain(task)}"]
    pop3 = [f"USER {task.user}", f"PASS {task.password}"]
    by_hand(lab, task, 587, ["EHLO laptop", "STARTTLS"], smtp)
    by_hand(lab, task, 465, [], smtp)
    by_hand(lab, task, 110, ["STLS"], pop3)
    by_hand(lab, task, 995, [], pop3)


def six_by_hand(lab: Lab, task: Task) -> None:
    smtp_and_pop3(lab, task)
    imap = [f"x LOGIN {task.user} {task.password}", "y LOGOUT"]
    by_hand(lab, task, 143, ["w STARTTLS"], imap)
    by_hand(lab, task, 993, [], imap)


def by_the_library(lab: Lab, task: Task) -> None:
    host, name, word = lab.world.host(task.host), task.user, task.password
    for smtp in (SMTP_SSL(host, task.server, 465), SMTP(host, task.server, 587)):
        if not isinstance(smtp, SMTP_SSL):
            smtp.starttls()
        smtp.login(name, word)
        smtp.quit()
    with_stls = POP3(host, task.server)
    with_stls.stls()
    for pop3 in (with_stls, POP3_SSL(host, task.server)):
        pop3.user(name)
        pop3.pass_(word)
        pop3.quit()
    with_starttls = IMAP4(host, task.server)
    with_starttls.starttls()
    for imap in (IMAP4_SSL(host, task.server), with_starttls):
        imap.login(name, word)
        imap.logout()


def forgets_imap(lab: Lab, task: Task) -> None:
    smtp_and_pop3(lab, task)


def logs_in_first(lab: Lab, task: Task) -> None:
    """TLS, but only when the password has been said."""
    before = ["EHLO laptop", f"AUTH PLAIN {plain(task)}", "STARTTLS"]
    with lab.world.console(task.host, task.server, 587) as console:
        for line in before:
            console.say(line)
    six_by_hand(lab, task)


def in_clear(lab: Lab, task: Task) -> None:
    with lab.world.console(task.host, task.server, 110) as console:
        console.say(f"USER {task.user}")
        console.say(f"PASS {task.password}")


def shakes_hands_and_leaves(lab: Lab, task: Task) -> None:
    by_hand(lab, task, 587, ["EHLO laptop", "STARTTLS"], ["EHLO laptop", "QUIT"])


def as_somebody_else(lab: Lab, task: Task) -> None:
    word = lab.world.user("bob").password
    login = base64.b64encode(f"\0bob\0{word}".encode()).decode()
    commands = ["EHLO laptop", f"AUTH PLAIN {login}"]
    by_hand(lab, task, 587, ["EHLO laptop", "STARTTLS"], commands)


# 7.3 ----------------------------------------------------------------------------------


def publishes(lab: Lab, task: Task, domain: str) -> bool:
    answer = lab.world.dig(f"_mta-sts.{domain}", "TXT", host=task.server)
    return "STSv1" in str(answer)


def insist(lab: Lab, task: Task, domains: list[str], tls: str = "verify") -> None:
    strict = {domain: {"tls": tls} for domain in domains}
    lab.world.configure(task.server, remote_domains=strict)


def who_publishes(lab: Lab, task: Task) -> None:
    insist(lab, task, [d for d in task.domains if publishes(lab, task, d)])


def from_the_zones(lab: Lab, task: Task) -> None:
    zones = {domain: lab.world.zone(domain) for domain in reversed(task.domains)}
    strict = [d for d, zone in zones.items() if zone.records("_mta-sts", "TXT")]
    insist(lab, task, strict, "encrypt")


def with_everybody(lab: Lab, task: Task) -> None:
    lab.world.configure(task.server, delivery={"tls": "verify"})


def with_the_wrong_ones(lab: Lab, task: Task) -> None:
    insist(lab, task, [d for d in task.domains if not publishes(lab, task, d)])


def with_one_only(lab: Lab, task: Task) -> None:
    insist(lab, task, [d for d in task.domains if publishes(lab, task, d)][:1])


def with_may(lab: Lab, task: Task) -> None:
    strict = [d for d in task.domains if publishes(lab, task, d)]
    insist(lab, task, strict, "may")


# 7.4 ----------------------------------------------------------------------------------


def look(lab: Lab, task: Task, name: str = "", host: str = "") -> None:
    server = name or task.server
    with (
        lab.world.console(host or task.host, server, 993) as console,
        suppress(ssl.SSLError),
    ):
        console.start_tls()


def certify(lab: Lab, task: Task, *names: str, **more: Any) -> None:
    ours = lab.world.new_authority(task.authority)
    options = {"days": 90, "by": ours} | more
    lab.world.issue_certificate(task.server, *(names or task.names), **options)


def four_looks(lab: Lab, task: Task) -> None:
    certify(lab, task)
    look(lab, task)
    lab.world.trust(task.host, lab.world.new_authority(task.authority))
    look(lab, task)
    look(lab, task, f"pop3.{lab.names.domain}")
    lab.world.advance("91 days")
    look(lab, task)
    certify(lab, task)
    look(lab, task)


def in_another_order(lab: Lab, task: Task) -> None:
    """One wrong certificate after the other; the right one in the end."""
    ours = lab.world.new_authority(task.authority)
    certify(lab, task, "somebody.example")
    look(lab, task)
    lab.world.trust(task.host, ours)
    look(lab, task)
    certify(lab, task, days=60)
    look(lab, task)
    lab.world.advance("70 days")
    look(lab, task)
    certify(lab, task, *task.names, f"smtp.{lab.names.domain}")
    look(lab, task, task.names[1])


def never_looks_while_unknown(lab: Lab, task: Task) -> None:
    lab.world.trust(task.host, lab.world.new_authority(task.authority))
    certify(lab, task)
    look(lab, task)


def forgets_to_renew(lab: Lab, task: Task) -> None:
    four_looks(lab, task)
    lab.world.advance("91 days")
    look(lab, task)


def by_the_lab_s_own(lab: Lab, task: Task) -> None:
    four_looks(lab, task)
    certify(lab, task, by=None)
    look(lab, task)


def one_name_only(lab: Lab, task: Task) -> None:
    four_looks(lab, task)
    certify(lab, task, task.server)
    look(lab, task)


def for_ever(lab: Lab, task: Task) -> None:
    four_looks(lab, task)
    certify(lab, task, days=5000)
    look(lab, task)


def at_the_phone(lab: Lab, task: Task) -> None:
    certify(lab, task)
    look(lab, task, host="phone")


def mistakes(*pairs: tuple[Answer, str]) -> list[tuple[Answer, str]]:
    return list(pairs)


ANSWERS = {
    "7.1": Answers(
        right=[way_by_way, from_the_segments],
        wrong=mistakes(
            (empty, "a table {name: password}"),
            (as_the_views_show_it, "views mask secrets on purpose"),
            (only_pop3, "one more stands in a session with"),
            (base64_as_it_is, "base64 hides nothing"),
            (digest_as_password, "whose password is in no packet"),
            (names_in_base64, "a user's name may be in base64"),
            (everything_behind_plain, "split at the zero octets"),
        ),
    ),
    "7.2": Answers(
        right=[six_by_hand, by_the_library],
        wrong=mistakes(
            (empty, "one is missing"),
            (forgets_imap, "a login by IMAP at port 143"),
            (logs_in_first, "the login came before the handshake"),
            (in_clear, "no password in any captured octet"),
            (shakes_hands_and_leaves, "the login is still to come"),
            (as_somebody_else, "a session without a login"),
        ),
    ),
    "7.3": Answers(
        right=[who_publishes, from_the_zones],
        wrong=mistakes(
            (empty, "2 of 2 went out in clear"),
            (with_everybody, "it waits for a STARTTLS that this server never offered"),
            (with_the_wrong_ones, "2 of 2 went out in clear"),
            (with_one_only, "1 of 2 went out in clear"),
            (with_may, "tls must be encrypt or verify"),
        ),
    ),
    "7.4": Answers(
        right=[four_looks, in_another_order],
        wrong=mistakes(
            (empty, "handshakes of laptop with port 993"),
            (never_looks_while_unknown, "because of: unknown authority"),
            (forgets_to_renew, "renew the certificate"),
            (by_the_lab_s_own, "without it the lab's own signs"),
            (one_name_only, "each name by which somebody connects"),
            (for_ever, "a short life limits the damage"),
            (at_the_phone, "handshakes of laptop with port 993"),
        ),
    ),
}
