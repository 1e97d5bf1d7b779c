"""Exercise 8.4 of notebook 08: a day as an open relay, and the way back.

The day is played when the exercise begins (`bad_day.py`): bots send through the server,
some of it to a trap, and so its address comes onto a list (`spamwatch.py`).
"""

from collections.abc import Sequence

from maillab.grading import Exercise, Failed, Lab, Task
from maillab.grading.exercise import Evidence, Part, Parts, attempt
from maillab.grading.letters import field, subjects
from maillab.store.queue import QueueEntry

from .bad_day import BOB, CHEAP, DORA, live, topics
from .beginning import decisive, reset
from .spamwatch import DESK, ZONE, listing, spam_in, watch_of


def begin_8_4(lab: Lab) -> Task:
    watch = watch_of(lab)
    server = lab.world.server(lab.names.server)
    server.queue.clear()
    for address in [lab.names.address, *watch.stay]:
        watch.unlist(address)
    for user in lab.world.users:
        lab.fill_inbox(user, [])
    watch.tickets.clear()
    reset(lab, relay={"open": True})
    lab.world.run(live(lab))
    lab.world.settle()
    watch.evening = spam_seen(lab)
    watch.night = len(lab.world.trace)
    watch.spam = {entry.id: addresses(entry) for entry in spam_in(lab)}
    return Task(
        "8.4",
        "A day as an open relay, and the way back",
        address=lab.names.address,
        scanner=lab.names.scanner,
        list=ZONE,
        desk=DESK,
    )


# Checks -------------------------------------------------------------------------------


def check_8_4(lab: Lab) -> Parts:
    lab.task("8.4")
    return {"queue": attempt(check_queue, lab), "list": attempt(check_list, lab)}


def check_queue(lab: Lab) -> Evidence:
    """Nothing of the bots left, everything of our people still there."""
    arrived = subjects(lab.world.user(DORA).inbox)
    queue = lab.world.server(lab.names.server).queue.entries.values()
    waiting = [field(entry.content, "Subject") for entry in queue]
    for topic in topics(lab):
        if topic not in [*arrived, *waiting]:
            raise lost(lab, topic)
    left = spam_in(lab)
    if left:
        raise Failed(
            "nothing in the queue that a stranger has brought, or caused",
            f"{len(left)} messages",
            "RFC 5321 §4.4, RFC 3848",
            why_left(lab, left),
        )
    return {
        "ours": sorted(set(topics(lab)) & {*arrived, *waiting}),
        "deleted": deleted(lab),
        "more spam": demand_no_more_spam(lab),
    }


def addresses(entry: QueueEntry) -> list[str]:
    return [str(entry.reverse_path), *(str(r.address) for r in entry.recipients)]


def deleted(lab: Lab) -> list[list[str]]:
    """The spam of the day that somebody took out of the queue, by the trace."""
    watch = watch_of(lab)
    deletions = {
        event["queue_id"]
        for event in lab.world.trace[watch.night :]
        if event.kind == "queue" and event["action"] == "delete"
    }
    return sorted(watch.spam[id] for id in deletions & watch.spam.keys())


def lost(lab: Lab, topic: str) -> Failed:
    scanned = topic == topics(lab)[-1]
    return Failed(
        f"{topic!r} in the queue, or with its recipient",
        "it is gone",
        "RFC 5321 §6.1",
        "the scanner is one of us, too, though it does not log in"
        if scanned
        else "who deletes everything deletes what people wrote; lab.begin puts it back",
    )


def why_left(lab: Lab, left: Sequence[QueueEntry]) -> str:
    """What somebody may have looked at who took these for our own."""
    top = [entry.content.partition(b";")[0] for entry in left]
    if all(entry.reverse_path.is_null for entry in left):
        return "a report to a forged sender is spam as well: backscatter"
    if all(f"from [{lab.names.scanner}]".encode() in row for row in top):
        return "the name in front of ( is what the client says of itself"
    if all(b"ESMTPSA" in entry.content for entry in left):
        return "only the Received field on top is ours; those below may be forged"
    if all(e.reverse_path.domain.lower() == lab.names.domain for e in left):
        return "anybody can write our domain into MAIL FROM"
    return ""


def demand_no_more_spam(lab: Lab) -> int:
    watch = watch_of(lab)
    more = spam_seen(lab) - watch.evening
    if more:
        raise Failed(
            "no spam sent after the end of the day",
            f"{more} more",
            "RFC 2505 §2.1",
            "first close the relay and clean the queue, then let the queue go on",
        )
    return more


def spam_seen(lab: Lab) -> int:
    """What came as far as the trap, or a person."""
    inbox = lab.world.user(DORA).inbox
    return watch_of(lab).caught + sum(s.startswith(CHEAP) for s in subjects(inbox))


def check_list(lab: Lab) -> Evidence:
    """Closed, taken off the list because we asked, and letters arrive again."""
    strangers = demand_closed(lab)
    ticket = watch_of(lab).tickets.get(lab.names.address, "")
    answer = lab.world.dig(
        listing(lab.names.address), "A", host="stranger", server="ns.net.example"
    )
    if answer.rcode != "NXDOMAIN" or not ticket:
        raise still_listed(lab, answer.rcode == "NXDOMAIN")
    arrived = sorted(set(subjects(lab.world.user(DORA).inbox)) & {*topics(lab)})
    if len(arrived) < len(topics(lab)):
        raise Failed(
            f"all letters of our people in the INBOX of {DORA}",
            f"{len(arrived)} of {len(topics(lab))}",
            "RFC 5321 §4.5.4.1",
            "the queue tries again at its own time, or at once: queue.retry",
        )
    return {
        "strangers": strangers,
        "list": [listing(lab.names.address), answer.rcode],
        "ticket": ticket,
        "deleted": deleted(lab),
        "arrived": arrived,
    }


def demand_closed(lab: Lab) -> list[list[str]]:
    """A stranger is refused; letters for us still come in."""
    sender = "someone@stranger.example"
    alice = f"alice@{lab.names.domain}"
    found: list[list[str]] = []
    for rcpt, right in ((BOB, "5"), (alice, "2")):
        with lab.examine("stranger", lab.names.server, 25) as console:
            lines = (f"MAIL FROM:<{sender}>", f"RCPT TO:<{rcpt}>")
            reply = decisive(console.say("EHLO stranger", *lines))
        if not reply.startswith(right):
            raise Failed(
                f"RCPT TO:<{rcpt}> by a stranger "
                f"{'taken' if right == '2' else 'refused'}",
                reply or "no reply",
                "RFC 5321 §7.9",
                "as long as the tap is open, wiping the floor is no use"
                if right == "5"
                else "",
            )
        found.append([rcpt, reply[:1]])
    return found


def still_listed(lab: Lab, vanished: bool) -> Failed:
    asked = subjects(lab.world.user(DESK).inbox)
    told = [s for s in all_subjects(lab) if s.startswith("Still listed")]
    if vanished:
        mistake = "the zone of the list is not ours: ask those to whom it belongs"
    elif told:
        mistake = "the desk has answered by mail, with its reason: read it"
    elif asked:
        mistake = "the desk takes its time, and reads the address in the subject"
    else:
        mistake = "a list forgets nobody who does not ask"
    return Failed(
        f"{lab.names.address} taken off the list {ZONE} by its desk",
        "not listed, but the desk did not do it" if vanished else "it is listed",
        "RFC 5782 §2.1, RFC 6471 §2.2.5",
        mistake,
    )


def all_subjects(lab: Lab) -> list[str]:
    """Of all letters that our people have."""
    people = [u for u in lab.world.users.values() if lab.names.domain in u.address]
    return [subject for user in people for subject in subjects(user.inbox)]


EXERCISES = (
    Exercise(
        "8.4",
        4,
        "clean, closed, and off the list",
        begin_8_4,
        check_8_4,
        (
            Part("queue", 2, "the spam is gone, the letters are not"),
            Part("list", 2, "closed, off the list, and letters arrive"),
        ),
    ),
)
