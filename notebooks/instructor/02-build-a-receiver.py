# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 02. Build a receiver
#
# **You will** write the other side of notebook 01: a machine that answers commands, a reader that
# finds the end of a letter, a store that loses nothing when the power fails; you will put them on a
# computer and take a letter from a real server; you will compare yours with somebody else's.
#
# **You need** notebook 01, and Python: dictionaries, functions, a class with two methods.
#
# **Time** 60 to 90 minutes. **16 points** in four exercises. **To read** RFC 5321 §4.1 to §4.5 and §6.1.

# %% [markdown]
# Storm over the lighthouse. Lightning struck its mail server, and what it had in memory is gone.
# DNS still sends everybody's mail to the two computers there. They are dry, they have power, and
# nobody listens at port 25. Grace, the keeper, can wait a day or two, because mail can wait. You
# have brought a laptop and no software. (Names are drawn by lot: your lighthouse may be called
# otherwise. So write `names.first`, never what it stands for.)
#
# ```text
#  desk ──── mail.office.example ────25────> mx1.lighthouse.example   nothing listens
#  Alice                         └───25────> mx2.lighthouse.example   nothing listens
# ```

# %% locked="set-up"
import re
from itertools import count

import aiosmtpd.smtp

from maillab.grading import open_lab
from maillab.grading.failing_disk import FailingDisk
from maillab.grading.receiving import Pieces, Receiver

lab = open_lab("02")
world, names, numbers = lab.world, lab.names, count(1)
names

# %% [markdown]
# ## Round 1: Nobody at home
# **Predict.** Alice writes to Grace now. Is her letter lost? Does she get an error? How long will
# somebody try, and where?
#
# *Your prediction:* …

# %%
world.send("alice", f"grace@{names.domain}", "The lamp", "Is it burning?")
world.queue(names.office)

# %% [markdown]
# Alice's server knocked at both doors, in the order of the MX records (RFC 5321 §5.1), and heard
# *Connection refused*. That is no reason to give up: a sender keeps a letter for four or five days
# (RFC 5321 §4.5.4.1). Nothing is lost **because the sender still has it**. Remember this sentence: all
# of exercise 2.3 is in it.
#
# This letter waits now, and will wait while you work. At the end your own program will take it.

# %% [markdown]
# ## Round 2: A conversation has an order
# **Predict.** Which of these will a server refuse, said in this order? Is `<>` a sender?
#
# *Your prediction:* …

# %%
with world.console("desk", names.office, 25) as smtp:
    for command in [
        *("MAIL FROM:<zoe@there.example>", "EHLO desk", "mail from:<>"),
        *("MAIL FROM:<zoe@there.example>", "RCPT TO:<alice@office.example>"),
        *("RSET", "RCPT TO:<alice@office.example>", "DATA", "ADTA"),
    ]:
        print(f"{command:32}", smtp.say(command).split("\n")[0])

# %% [markdown]
# `503` says *not now* (RFC 5321 §4.1.4): every server is a **state machine**. `EHLO` opens the session,
# `MAIL` a transaction, `RCPT` adds to it, `DATA` needs both. `RSET` forgets the transaction and keeps
# the session.
#
# `<>` is a sender: the **null reverse-path** of error reports, so that no report is answered by
# another report (RFC 5321 §4.5.5). Who refuses it will never learn that letters came back.

# %%
lab.source("RSET")

# %% [markdown]
# ## Exercise 2.1: The reply machine
# You are told one line, and `state`, a dictionary that belongs to one session and is empty at first.
# **Write `on_command(state, line)`, which returns the reply and keeps in `state` what it has to
# remember.** At `354`, `state["reverse_path"]` is the sender (`""` for `<>`), `state["forward_paths"]`
# the list of accepted recipients. When the letter has come, the function is told `RSET`.
#
# | line | reply | but |
# |---|---|---|
# | `EHLO name`, `HELO name` | 250, ends a transaction | 501 without a name |
# | `MAIL FROM:<…>` | 250 | 503 before EHLO or in a transaction |
# | `RCPT TO:<…>` | 250, or 550 | 503 without MAIL |
# | `DATA` | 354 | 503 without a recipient |
# | `RSET`, `NOOP` | 250 | |
# | `VRFY` | 252 | |
# | `QUIT` | 221 | |
# | all else | 500 | |

# %% [markdown]
# - Order first, then grammar: `503` before `501`. `501` is for `MAIL` and `RCPT` without `FROM:<…>` or
#   `TO:<…>`, and for `RCPT TO:<>`.
# - Behind the `>` nothing may stand: `555`. You announce no extension.
# - Welcome are the addresses in `mailboxes`, and `<postmaster>` without a domain, always
#   (RFC 5321 §4.5.1). Verbs and addresses are written in any case, blanks may stand at the end.
#
# <details><summary>Hint</summary>
#
# `re.fullmatch(r"FROM:<([^>]*)>(.*)", argument, re.I)` finds the path as `[1]` and what follows as `[2]`.
# `"reverse_path" in state` asks whether a transaction is open. An empty text counts as false!
#
# </details>

# %% locked="begin-2.1"
task = lab.begin("2.1")
mailboxes = task.mailboxes
task


# %% answer="2.1"
def on_command(state, line):
    verb, _, argument = line.strip().partition(" ")
    verb = verb.upper()
    ### BEGIN SOLUTION
    simple = {"NOOP": "250 2.0.0 So be it", "VRFY": "252 2.0.0 Try", "QUIT": "221 Bye"}
    if verb in ("EHLO", "HELO", "RSET"):
        if verb != "RSET" and not argument:
            return "501 5.5.4 And who are you?"
        hello = state.get("hello") if verb == "RSET" else argument
        state.clear()
        state["hello"] = hello
        return "250 Ahoy"
    if verb in simple:
        return simple[verb]
    if verb not in ("MAIL", "RCPT", "DATA"):
        return "500 5.5.2 I do not know that"
    begun = "reverse_path" in state
    if begun == (verb == "MAIL") or not state.get("hello"):
        return "503 5.5.1 Not now"
    if verb == "DATA":
        people = state["forward_paths"]
        return "354 Go on, end with a dot" if people else "503 5.5.1 For whom?"
    word = "FROM" if verb == "MAIL" else "TO"
    path = re.fullmatch(rf"{word}:<([^>]*)>(.*)", argument, re.IGNORECASE)
    if not path or (verb == "RCPT" and not path[1]):
        return f"501 5.5.4 Syntax: {verb} {word}:<address>"
    if path[2]:
        return "555 5.5.4 I have announced no extension"
    if verb == "MAIL":
        state["reverse_path"], state["forward_paths"] = path[1], []
        return "250 2.1.0 Sender noted"
    address = path[1].lower()
    if address == "postmaster":
        address = f"postmaster@{names.domain}"
    if address not in mailboxes:
        return "550 5.1.1 Nobody of that name"
    state["forward_paths"].append(address)
    return "250 2.1.5 Recipient noted"
    ### END SOLUTION
    return "500 5.5.2 I do not know that"


# %% [markdown]
# The check holds 500 sessions with your machine and with our own server
# (`maillab/protocol/smtp_server.py`). Of all differences it shows one, in as few commands as possible.
# Try one by hand before:

# %%
state = {}
for line in ["EHLO desk", "MAIL FROM:<>", "RCPT TO:<Postmaster>", "DATA"]:
    print(f"{line:22}", on_command(state, line))

# %% check="2.1" points=4
lab.check("2.1", on_command)

# %% [markdown]
# ## Round 3: TCP has no lines
# **Predict.** We send `NO`, wait, send `OP`, CR, LF and half of the next command, wait, and so on. How
# many replies come, and when?
#
# *Your prediction:* …

# %%
with world.console("desk", names.office, 25) as smtp:
    for octets in [b"NO", b"OP\r\nNO", b"OP\r", b"\nNOOP\r\nNOOP\r\n"]:
        print(f"{octets!r:26} → {smtp.send_raw(octets)!r}")

# %% [markdown]
# TCP carries a **stream of octets** (RFC 9293 §2.2). Where one write ended and the next began, the
# receiver cannot know; the network cuts anew, in the middle of a CRLF too. A program that takes what
# `read()` returns for a line works on every desk and fails in every storm.
#
# After `DATA` the same stream carries the letter. Its end is a line with nothing but a dot:
# `CRLF . CRLF`. If a line of the letter itself begins with a dot, the sender puts another one before
# it, and the receiver takes that one away: **dot-stuffing** (RFC 5321 §4.5.2).

# %% [markdown]
# ## Round 4: A letter inside a letter
# The server of the harbour is old. It is friendly, and takes a bare LF for a line end, too.
#
# **Predict.** Mallory sends Bob *one* letter. In its middle stand a LF, a dot, CRLF, and then words that
# look like SMTP. How many letters will Bob get, and from whom?
#
# *Your prediction:* …

# %%
mallory, master = "<mallory@there.example>", b"<master@harbour.example>"
inside = b"MAIL FROM:" + master + b"\r\nRCPT TO:<bob@harbour.example>\r\nDATA\r\n"
second = b"Subject: Sell the ship\r\n\r\nAt once.\r\n.\r\nQUIT\r\n"
with world.console("desk", names.harbour, 25) as smtp:
    smtp.say("HELO desk.office.example")
    for command in [f"MAIL FROM:{mallory}", "RCPT TO:<bob@harbour.example>", "DATA"]:
        smtp.say(command)
    print(smtp.send_raw(b"Subject: Fish\r\n\r\nFresh!\n.\r\n" + inside + second))

# %%
world.settle()
for message in world.user("bob").inbox.messages:
    print(message.content.decode().split("\r\n")[0])

# %% [markdown]
# Two letters. Talking to the harbour herself, Mallory could have sent the second one anyway. But put a
# strict provider between them: it asks who she is, sees *one* letter, and passes its octets on. The
# harbour then hears the master's letter from a server of good name, and nobody has checked it. This is
# **SMTP smuggling**; in December 2023 it worked with Postfix, Exim and Sendmail.
#
# The cure is one line of an old standard (RFC 5321 §2.3.8): only CRLF ends a line. A CR or a LF alone
# is an octet like others. Grace's receiver will be strict.
#
# (`world.trace.session(smtp.id).hints()` would have told us.)

# %% [markdown]
# ## Exercise 2.2: The reader
# **Write a class `DataReader` for one letter. Its `feed(octets)` gets what has just arrived, and returns
# `None` until the end is there; then it returns the letter, and `self.rest` holds what came behind the
# end.** The letter is octets, with the dots that its author wrote and with the CRLF of its last line. It
# may be empty: the first CRLF can be the one of the line `DATA`.
#
# ```text
# feed(b"Hi\r\n..dot\r") → None        feed(b"\n.\r\nQUIT\r\n") → b"Hi\r\n.dot\r\n", rest b"QUIT\r\n"
# ```
#
# <details><summary>Hint</summary>
#
# Keep all that has arrived, and put a CRLF before it: then every line, the first one too, stands behind
# one. `octets.partition(b"…")` gives what is before a mark, the mark (empty if there is none), and the rest.
#
# </details>

# %% locked="begin-2.2"
task = lab.begin("2.2")
task


# %% answer="2.2"
class DataReader:
    def __init__(self):
        self.rest = b""
        ### BEGIN SOLUTION
        self.arrived = b"\r\n"
        ### END SOLUTION

    def feed(self, octets):
        ### BEGIN SOLUTION
        self.arrived += octets
        text, end, rest = self.arrived.partition(b"\r\n.\r\n")
        if end:
            self.rest = rest
            return (text + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]
        ### END SOLUTION
        return None


# %% [markdown]
# Ten letters are cut at every place, and fed octet by octet; then come line ends that are none.

# %% check="2.2" points=4
lab.check("2.2", DataReader)

# %% [markdown]
# ## Round 5: A promise
# `250` behind the final dot means: *from now on it is mine*. The sender deletes its copy
# (RFC 5321 §6.1). A disk is not as honest: the operating system says *written* and keeps the octets in
# memory for a while.
#
# **Predict.** Three files are written, and the power fails. Which are there afterwards, and what is in
# them?
#
# *Your prediction:* …

# %%
disk = FailingDisk()
for name in ["one", "two", "three"]:
    disk.write(name, b"Dear Grace")
disk.sync("two")
disk.sync_names()
disk.sync("three")
disk.rename("three", "four")
disk.fail("power")
disk

# %% [markdown]
# `one` is there and empty: its name was safe, its octets were not. `two` is whole. `three` is whole and
# has its old name again. A file has **octets and a name**, and each is safe only after its own `sync`. (On a real
# disk: `fsync` of the file, `fsync` of its directory; `maillab/store/disk.py` does it for our queue.)
#
# And the line can be cut, too. If the sender hears no `250`, it sends all again later
# (RFC 5321 §3.8). So there is exactly one right moment to say it.

# %% [markdown]
# ## Exercise 2.3: Who loses the mail?
# **Write `accept(disk, state, letter, say)`: it stores the letter as a file in `new/` and says the
# reply once: `say("250 …")`, or 452 when `disk.write` raises `OSError`, because the disk is full.**
#
# - What has been answered by 250 is in `new/`, whole, even if the power fails in the next moment.
# - Grace looks into `new/` at any time and never finds half a letter.
# - She takes letters away; the same letter may come for two people: no file name comes twice.
#
# <details><summary>Hint</summary>
#
# Write to `tmp/…`; `rename` puts the whole file into `new/` at once. Where do the two kinds of `sync`
# belong? `next(numbers)` is another number each time.
#
# </details>

# %% locked="begin-2.3"
task = lab.begin("2.3")
task


# %% answer="2.3"
def accept(disk, state, letter, say):
    head = f"Return-Path: <{state['reverse_path']}>\r\n"
    for address in state["forward_paths"]:
        head += f"Delivered-To: {address}\r\n"
    octets = head.encode() + letter
    ### BEGIN SOLUTION
    name = f"{world.time:.3f}-{next(numbers)}"
    try:
        disk.write(f"tmp/{name}", octets)
        disk.sync(f"tmp/{name}")
        disk.rename(f"tmp/{name}", f"new/{name}")
        disk.sync_names()
    except OSError:
        say("452 4.3.1 The disk is full, come again")
    else:
        say("250 2.0.0 It is mine now")
    ### END SOLUTION


# %% [markdown]
# The check cuts the line after every octet of a session of three letters. Then it pulls the plug before
# every step that you take, in three ways, starts again, and lets the sender try once more.

# %% check="2.3" points=4
lab.check("2.3", accept, on_command, DataReader)

# %% [markdown]
# Some letters now lie there twice: stored, but the plug was pulled before `250` got out. That cannot be
# avoided, only made rare: between *stored* and *said* do nothing (RFC 5321 §6.1). The sender waits ten
# minutes for this reply (RFC 5321 §4.5.3.2.6); who checks for viruses for eleven gets every letter twice.
#
# **Lost or double: a receiver may choose, and must choose double.**

# %% [markdown]
# ## Round 6: Light
# Three pieces, and you have a server. `Receiver` only carries octets between them and port 25
# (`maillab/grading/receiving.py`).
#
# **Predict.** You open your receiver and wait an hour. Which letter arrives? What stands in its
# first three lines?
#
# *Your prediction:* …

# %%
disk = FailingDisk()
pieces = Pieces(on_command, DataReader, accept)
receiver = Receiver(world, names.first, pieces, disk)
world.advance("1 hour")
for name in disk.names()[:1]:
    print(disk.read(name).decode())

# %%
world.trace.find_sessions(server=names.first)[0].ladder()

# %% [markdown]
# The letter of round 1. Alice's server had it all the time, tried again and again
# (RFC 5321 §4.5.4.1), and for the first time somebody answered: your code, line by line, `250` and all.
# Now its queue is empty. Grace lights the lamp.

# %% [markdown]
# ## Round 7: Somebody else's server
# `aiosmtpd` is a receiver that many programs use; here it runs unchanged. It asks a *handler* only
# what it cannot know. This one knows nothing.
#
# **Predict.** It has no idea who lives at the lighthouse. Whom will it accept?
#
# *Your prediction:* …


# %%
def open_aiosmtpd(handler, host):
    def make():
        return aiosmtpd.smtp.SMTP(handler, hostname=host, loop=world.loop)

    return world.run(world.loop.create_server(make, port=25), on=host)


# %%
receiver.close()  # the lighthouse sleeps
server = open_aiosmtpd(object(), names.second)
with world.console("desk", names.second, 25) as smtp:
    print(smtp.greeting)
    smtp.say("EHLO desk", "MAIL FROM:<mallory@there.example>")
    print(smtp.say("RCPT TO:<everybody@elsewhere.example>"))
server.close()

# %% [markdown]
# Everybody, everywhere: a library knows the protocol, not your policy (RFC 5321 §3.6.2 says what a host
# may do with strangers' mail). With a `handle_RCPT` you decide:
#
# | method of the handler | gets | returns |
# |---|---|---|
# | `handle_RCPT` | `envelope`, `address` | a reply; adds to `envelope.rcpt_tos` |
# | `handle_DATA` | `envelope`: `.mail_from`, `.rcpt_tos`, `.content` | a reply |

# %% [markdown]
# ## Exercise 2.4: Two receivers
# **Let your receiver on `names.first` take a letter from Alice with the subject `task.subject_first`; let
# aiosmtpd on `names.second` take one with `task.subject_second`, refuse strangers by 550, and store by your
# `accept` on the same disk. Leave both open, and say all of `task.commands` to each, in one session.** Put
# into `differences` each command with another code: `{command: (yours, aiosmtpd's)}`; into `offers` the
# extensions that it lists after `EHLO` and you do not.
#
# <details><summary>Hint</summary>
#
# `world.send("alice", task.rcpt_to, subject)` tries the first computer first. Who must not listen while the
# second letter comes? With `said = []`, `accept(…, said.append)` leaves its reply in `said[-1]`.
#
# </details>

# %% locked="begin-2.4"
task = lab.begin("2.4")
differences, offers = {}, []
task


# %% answer="2.4"
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        ### BEGIN SOLUTION
        if address.lower() not in mailboxes:
            return "550 5.1.1 Nobody of that name"
        envelope.rcpt_tos.append(address)
        ### END SOLUTION
        return "250 2.1.5 Fine"

    async def handle_DATA(self, server, session, envelope):
        ### BEGIN SOLUTION
        people, said = envelope.rcpt_tos, []
        state = {"reverse_path": envelope.mail_from, "forward_paths": people}
        accept(disk, state, envelope.content, said.append)
        return said[-1]
        ### END SOLUTION
        return "451 4.3.0 Not written yet"


### BEGIN SOLUTION
with Receiver(world, names.first, pieces, disk):
    world.send("alice", task.rcpt_to, task.subject_first)
open_aiosmtpd(Handler(), names.second)
world.send("alice", task.rcpt_to, task.subject_second)
receiver = Receiver(world, names.first, pieces, disk)
told = []
for host in (names.first, names.second):
    with world.console("desk", host, 25) as smtp:
        told.append({command: smtp.say(command) for command in task.commands})
mine, theirs = told
for command in task.commands:
    if mine[command][:3] != theirs[command][:3]:
        differences[command] = (mine[command][:3], theirs[command][:3])
offers = [line[4:].split()[0] for line in theirs["EHLO desk"].split("\n")[1:]]
### END SOLUTION
differences

# %% [markdown]
# The check looks at both sessions of Alice's server and into `new/`, and then asks both itself.

# %% check="2.4" points=4
lab.check("2.4", disk, differences, offers)

# %% [markdown]
# So the strict server is yours. aiosmtpd forgives a missing bracket, as many servers do for careless
# clients; it takes `SIZE` and refuses a letter that is too big *before* it is sent (RFC 1870); to
# `EXPN` it says `502`: known, and not done (RFC 5321 §4.2.4). Before version 1.4.5 (2024) it could be
# smuggled through, like the harbour's.

# %% [markdown]
# ## Break it, and repair it
# On a quiet night one letter goes through; we count its octets. Then a rough night: whoever talks to
# `names.first` is cut off while the last `250` is on its way (RFC 5321 §4.1.1.4).
#
# **Predict.** Alice writes *one* letter that night. How many more will lie in `new/`, and who took
# them in?
#
# *Your prediction:* …

# %%
world.send("alice", task.rcpt_to, "A quiet night")
quiet = world.trace.find_sessions(client=names.office, server=names.first)[-1]
octets = sum(len(line.octets) for line in quiet.lines[:-3]) + 4  # all before the 250
rule = world.add_rule(names.first, action="reset-after", octets=octets, ports=25)
before = disk.names()
world.send("alice", task.rcpt_to, "A rough night")
for name in sorted(set(disk.names()) - set(before)):
    print(re.search(r"Subject: .*", disk.read(name).decode())[0])

# %%
world.trace.find_sessions(client=names.office)[-2].ladder()

# %% [markdown]
# Two. The first computer stored it, and its `250` was lost; so Alice's server knocked at the second
# one, which stored it again. Nobody made a mistake: not knowing, the sender has to try again
# (RFC 5321 §3.8), and this is the price of losing nothing.
#
# **Repair.** Mend the line; and let the store look whether it has these octets already. Real ones
# compare the `Message-ID` (RFC 5322 §3.6.4).

# %%
world.remove_rule(names.first, rule)
seen = set()
for name in disk.names():
    if (octets := disk.read(name)) in seen:
        disk.remove(name)
    else:
        print(re.search(r"Subject: .*", octets.decode())[0])
    seen.add(octets)

# %% [markdown]
# ## In the real world
#
# | here | RFC 5321 | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `on_command` | §4.1 | `smtpd` | virtual server | SMTP service | MailPlus Server | Front End |
# | `mailboxes` | §3.6.2 | `local_recipient_maps` | local domain | accounts | accounts | Directory-Based Edge Blocking |
# | bare LF refused | §2.3.8 | `smtpd_forbid_bare_newline` | – | *allow incorrectly formatted line endings* off | – | `550 5.6.11` |
# | `tmp/`, then `new/` | §6.1 | `incoming`, `active` | queue folder | data folder | – | shadow redundancy |
# | 452, disk full | §4.2.1 | `queue_minfree` | 452 4.3.1 | – | quota | `452 4.3.1`, back pressure |

# %% [markdown]
# ## Summary
# You wrote a state machine of eight commands, a reader that no cut of TCP can confuse and no bare LF
# can smuggle through, and a store that says *mine* only when it is true. The letter that waited since
# round 1 came in through your own program. aiosmtpd does the same and more, and leaves the policy to you.
#
# **Next**: 03, *Build a mailbox*: how Grace reads all this. **To read**: RFC 5321 §4.5.3.2, the timeouts;
# `maillab/store/spool.py`, our own `accept`.

# %%
receiver.close()
lab.report()
