# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 01. A letter by hand
#
# **You will** deliver a letter by typing SMTP; read any reply of a server; read and delete a
# letter by POP3; read, flag and remove letters by IMAP; tell the envelope from the header.
#
# **You need** notebook 00, and Python: strings, lists, functions.
#
# **Time** 60 minutes. **12 points** in four exercises. **To read** RFC 5321 §3 and §4, RFC 1939,
# RFC 3501 §2 and §6.

# %% [markdown]
# The mail program of the office is broken, and the post does not wait. You sit down at a
# computer called `desk` and open a connection to the mail server: everything a mail program does,
# you do now yourself, line by line. It is less than one thinks: SMTP needs five commands.
#
# ```text
#              25 SMTP ─┐
#  desk ────── 110 POP3 ├── mail.post.example    mailboxes of alice, bob, carol, dave
#              143 IMAP ┘
# ```

# %% locked="set-up"
from maillab.grading import open_lab

lab = open_lab("01")
world, names = lab.world, lab.names
names

# %% [markdown]
# Passwords, words, even the domain of this post office are drawn by lot, and your notebook may be
# run again in a world where they are others. So write the *name* of a thing where it has one
# (`names.server`, `task.password`), and let Python pick out what a server tells you.

# %% [markdown]
# ## Round 1: Say hello
# **Predict.** You connect to port 25 and say nothing. Who speaks first, and what is said?
#
# *Your prediction:* …

# %%
smtp = world.console("desk", names.server, 25)
print(smtp.greeting)

# %%
print(smtp.say("EHLO desk"))

# %% [markdown]
# The server speaks first: `220`, *ready*. You introduce yourself with `EHLO`, and it lists what it
# can do beyond the basics (RFC 5321 §4.1.1.1): letters up to a size, several commands at once,
# encryption. A hyphen behind the code means *more lines follow*.
#
# And this is the code that just answered you. It is part of a state machine in
# `maillab/protocol/smtp_server.py`:

# %%
lab.source("EHLO")

# %% [markdown]
# ## Round 2: One letter
# **Predict.** The server needs three things: who sends, who receives, what is written. In which
# order does it take them, and does it look into the letter to learn the first two?
#
# *Your prediction:* …

# %%
print(smtp.say(f"MAIL FROM:<alice@{names.domain}>"))
print(smtp.say(f"RCPT TO:<bob@{names.domain}>"))
print(smtp.say("DATA"))

# %%
sender = f"From: Alice <alice@{names.domain}>"
print(smtp.say(sender, "Subject: Tea", "", "At four?", "."))
print(smtp.say("QUIT"))
smtp.close()

# %% [markdown]
# `MAIL` and `RCPT` are the **envelope** (RFC 5321 §2.3.1). `354` means *go on, I am listening*, and
# a line with nothing but a dot ends the letter. `250` after that dot is a promise: from now on the
# server is responsible (RFC 5321 §6.1).
#
# What did Bob get?

# %%
print(world.user("bob").inbox.messages[-1].content.decode())

# %% [markdown]
# Above your lines the server wrote two fields of its own: `Return-Path`, which is the sender of the
# *envelope*, and `Received`, the postmark, here three lines long (RFC 5321 §4.4). It never compared
# your `From:` with the envelope. There was not even a `To:`, and the letter arrived. Could you write
# anything there?

# %% [markdown]
# ## Exercise 1.1: Envelope and header disagree
# The Queen dictates invitations, and the office sends them. In the **header**, which Bob will see,
# stands `From:` the Queen, `To:` everybody. On the **envelope**, which only servers see, stands
# Alice as sender and Bob as recipient.
#
# **Deliver this letter by SMTP, typed line by line.** Give it the subject of the task, and some
# text.
#
# <details><summary>Hint</summary>
#
# The same commands as in round 2. `say` takes several lines at once; an empty line `""` stands
# between header and text, a dot `"."` behind all; with an f-string, `f"Subject: {task.subject}"`,
# values get in.
#
# </details>

# %% locked="begin-1.1"
task = lab.begin("1.1")
task

# %% answer="1.1"
smtp = world.console("desk", names.server, 25)
### BEGIN SOLUTION
smtp.say("EHLO desk")
smtp.say(f"MAIL FROM:<{task.mail_from}>")
smtp.say(f"RCPT TO:<{task.rcpt_to}>")
smtp.say("DATA")
smtp.say(f"From: {task.header_from}", f"To: {task.header_to}")
smtp.say(f"Subject: {task.subject}", "", "Bring a flamingo.", ".")
smtp.say("QUIT")
### END SOLUTION
smtp.close()

# %% [markdown]
# The next cell looks into Bob's mailbox and at every line that you typed. If it says ✗, read why,
# and run the exercise again from its first cell.

# %% check="1.1" points=3
lab.check("1.1")

# %% [markdown]
# So a letter has two senders and two recipients. Servers believe the envelope, people read the
# header, and nothing in SMTP itself ties one to the other. That is why blind copies work, why
# mailing lists work, and why forged mail works. Notebook 09 shows the repairs.

# %% [markdown]
# ## Round 3: What the server says
# **Predict.** Which of these six commands will be refused? Which refusals are final, and which
# would be worth another try later?
#
# *Your prediction:* …

# %%
with world.console("desk", names.server, 25) as smtp:
    smtp.say("EHLO desk")
    for command in [
        *(f"RCPT TO:<bob@{names.domain}>", f"MAIL FROM:<alice@{names.domain}>"),
        *(f"RCPT TO:<ghost@{names.domain}>", f"RCPT TO:<bob@{names.domain}>"),
        *("RCPT TO:<zoe@elsewhere.example>", "DANCE"),
    ]:
        print(f"{command:33}", smtp.say(command))

# %% [markdown]
# Four times `5`, which is final: the same words in the same place will be refused again. (In
# another place, behind `MAIL`, the first of them was welcome.) A program looks at the first digit
# and knows enough (RFC 5321 §4.2.1):
#
# | first digit | means | the client |
# |---|---|---|
# | 2 | done | goes on |
# | 3 | go on, I need more | sends the rest |
# | 4 | not now | tries again later |
# | 5 | no | gives up and tells the sender |
#
# Behind the code may stand an **enhanced code** such as `5.1.1`, which says more exactly what was
# wrong (RFC 3463): class, subject, detail. The text is for people; no program may rely on it.

# %%
world.trace.session(smtp.id).ladder()

# %% [markdown]
# ## Exercise 1.2: Read replies
# A client that cannot read replies loses mail.
#
# **Write `read_reply(text)`, which returns three things: the code as a number; the enhanced code as
# a text, `""` if there is none; and a list with the text of each line, without codes.**
#
# ```text
# "250-mail.post.example greets desk\n250 STARTTLS"
#                     →  250, "", ["mail.post.example greets desk", "STARTTLS"]
# "550 5.1.1 No such user here"
#                     →  550, "5.1.1", ["No such user here"]
# ```
#
# <details><summary>Hint</summary>
#
# `text.split("\n")` gives lines, `line[:3]` a code. Look at the replies above: where can an
# enhanced code stand, and what does it begin with?
#
# </details>

# %% locked="begin-1.2"
task = lab.begin("1.2")
task


# %% answer="1.2"
def read_reply(text):
    code, enhanced, lines = ..., ..., ...
    ### BEGIN SOLUTION
    rows = text.split("\n")
    code = int(rows[0][:3])
    first = rows[0][4:].split(" ")[0]
    enhanced = first if first.replace(".", "").isdigit() else ""
    lines = [row[4:].removeprefix(enhanced).strip() for row in rows]
    ### END SOLUTION
    return code, enhanced, lines


# %% [markdown]
# The check talks to the server itself, in a dozen ways, and lets your function read every reply.

# %% check="1.2" points=3
lab.check("1.2", read_reply)

# %% [markdown]
# ## Round 4: Fetch it by POP3
# SMTP brings mail *to* a mailbox. To read it, one needs another protocol. POP3 is the older and the
# smaller one: the mailbox is a pile, numbered from 1 (RFC 1939).
#
# **Predict.** What does the server say to a login: a three-digit code again?
#
# *Your prediction:* …


# %%
def pop3(user, password):
    console = world.console("desk", names.server, 110)
    console.say(f"USER {user}")
    print(console.say(f"PASS {password}"))
    return console


# %%
world.send("bob", f"alice@{names.domain}", "Tea", "At four!")
pop = pop3("alice", world.user("alice").password)
print(pop.say("LIST"))
print(pop.say("RETR 1"))

# %% [markdown]
# No codes: `+OK` or `-ERR`, and that is all. A long answer ends, like a letter in SMTP, with a line
# that holds a single dot. Your password went over the wire as it is; our views hide it, a
# packet sniffer does not (notebook 07).
#
# **Predict.** `DELE 1` marks letter 1 as deleted. You hang up without `QUIT`. Is it gone?
#
# *Your prediction:* …

# %%
print(pop.say("DELE 1"))
print(pop.say("RETR 1"))
pop.close()
len(world.user("alice").inbox.messages)

# %% [markdown]
# Within the session the letter is gone, in the mailbox it is not. A session that ends with `QUIT`
# enters the *update state*, and only there does the server delete (RFC 1939 §6). Whose line breaks
# in the middle loses nothing. Here is our handler, which does almost nothing:

# %%
lab.source("DELE", "POP3")

# %% [markdown]
# ## Exercise 1.3: Delete in vain, then for good
# In Carol's maildrop lie several letters; one of them has the subject of the task.
#
# **Read that letter by POP3 and put the word that stands in it behind `Word:` into the variable
# `word`. Delete it and hang up without `QUIT`. Log in again and look: it is still there. Then delete
# it for good, and nothing else.**
#
# <details><summary>Hint</summary>
#
# `TOP 2 0` shows the header of letter 2. `reply.split("Word: ")[1].split()[0]` is the first word
# behind `Word:`. `if task.subject in reply` finds the right letter.
#
# </details>

# %% locked="begin-1.3"
task = lab.begin("1.3")
task

# %% answer="1.3"
word = ...
pop = pop3(task.user, task.password)
### BEGIN SOLUTION
count = int(pop.say("STAT").split()[1])
headers = {n: pop.say(f"TOP {n} 0") for n in range(1, count + 1)}
number = next(n for n, header in headers.items() if task.subject in header)
word = pop.say(f"RETR {number}").split("Word: ")[1].split()[0]
pop.say(f"DELE {number}")
pop.close()
pop = pop3(task.user, task.password)
print(pop.say("LIST"))
pop.say(f"DELE {number}")
print(pop.say("QUIT"))
### END SOLUTION

# %% [markdown]
# The check compares the pile with what it was, and reads your sessions. A maildrop that you emptied
# by mistake is as it was when you begin again.

# %% check="1.3" points=3
lab.check("1.3", word)

# %% [markdown]
# ## Round 5: Read it by IMAP
# With POP3 the client takes letters home. With IMAP they stay on the server, in folders, and each
# carries **flags**: what you read on the train is read in the office, too (RFC 3501 §2.3.2).
#
# Every command begins with a *tag* of yours, `a`, `b`, `c`; the answer that ends it carries the same
# one. Lines with `*` come in between.

# %%
imap = world.console("desk", names.server, 143)
imap.say(f"a LOGIN alice {world.user('alice').password}")
print(imap.say("b SELECT INBOX"))

# %% [markdown]
# **Predict.** You read the text of letter 1 with `BODY[TEXT]`, and look at its flags before and
# after. What has changed? Would `BODY.PEEK[TEXT]` change it, too?
#
# *Your prediction:* …

# %%
print(imap.say("c FETCH 1 (UID FLAGS)"))
print(imap.say("d FETCH 1 BODY[TEXT]"))
print(imap.say("e FETCH 1 (UID FLAGS)"))

# %%
print(imap.say("f STORE 1 -FLAGS (\\Seen)"))
print(imap.say("g FETCH 1 BODY.PEEK[TEXT]"))
print(imap.say("h LOGOUT"))
imap.close()

# %% [markdown]
# `BODY[…]` reads and marks as read, `BODY.PEEK[…]` only looks (RFC 3501 §6.4.5). `+FLAGS` adds flags,
# `-FLAGS` takes some away, `FLAGS` replaces *all* (RFC 3501 §6.4.6).
#
# A letter has two numbers. The **sequence number** is its place in the pile, and shifts when one
# below it goes. The **UID** never changes. `FETCH 1` means the first, `UID FETCH 1` the second
# (RFC 3501 §2.3.1).

# %% [markdown]
# ## Exercise 1.4: Flags
# Dave is ill. You look after his mail, and he must not notice.
#
# **Read the letter with the subject `task.read` without its being marked as read at any moment, and
# put the word behind `Word:` into `word`. Give it the flag `\Flagged`, and keep the flags it has.
# Remove the letter with the subject `task.remove`, and nothing else.**
#
# <details><summary>Hint</summary>
#
# `UID SEARCH SUBJECT "About the moon"` answers with UIDs. `\Deleted` is a flag like others;
# `EXPUNGE` removes what carries it. In a Python string, write `\\Flagged`.
#
# </details>

# %% locked="begin-1.4"
task = lab.begin("1.4")
task

# %% answer="1.4"
word = ...
imap = world.console("desk", names.server, 143)
imap.say(f"a LOGIN {task.user} {task.password}")
### BEGIN SOLUTION
imap.say("b SELECT INBOX")
read = imap.say(f'c UID SEARCH SUBJECT "{task.read}"').split()[2]
word = imap.say(f"d UID FETCH {read} BODY.PEEK[TEXT]").split("Word: ")[1].split()[0]
imap.say(f"e UID STORE {read} +FLAGS (\\Flagged)")
gone = imap.say(f'f UID SEARCH SUBJECT "{task.remove}"').split()[2]
imap.say(f"g UID STORE {gone} +FLAGS (\\Deleted)")
imap.say("h EXPUNGE")
imap.say("i LOGOUT")
### END SOLUTION
imap.close()

# %% [markdown]
# The check reads Dave's INBOX, and the history of its flags.

# %% check="1.4" points=3
lab.check("1.4", word)

# %% [markdown]
# ## Break it
# A server that takes mail from anybody for anybody is an **open relay**: within hours it sends other
# people's spam. Try to use ours as one: a stranger sits at `desk` and writes to another stranger.
#
# **Predict.** Which of the three commands will be refused, and for good or for now?
#
# *Your prediction:* …

# %%
with world.console("desk", names.server, 25) as smtp:
    smtp.say("HELO desk", "MAIL FROM:<mallory@elsewhere.example>")
    print(smtp.say("RCPT TO:<zoe@another.example>"))

# %% [markdown]
# Only `RCPT`: anybody may *say* who sends, for the server can find no fault in that. But the letter
# would go from a stranger to a stranger. `5`, so it is final, and `.7.` means *policy*
# (RFC 3463 §3.8). The trace knows the reason that the server kept to itself, and its RFC section. The
# rule is `_judge_relay` in `maillab/policy/relay.py`.

# %%
world.trace.session(smtp.id).transcript()

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `MAIL FROM` | reverse-path | envelope sender | sender | sender | sender | P1 sender |
# | `From:` | From field | header from | From | From | From | P2 sender |
# | `Relaying denied` | 550 5.7.1 | `reject_unauth_destination` | relay restrictions | IP ranges | *Enable SMTP authentication* | 5.7.64 |
# | mailbox | maildrop, mailbox | Dovecot's Maildir | one Drop folder for all | account | mailbox | mailbox |
# | `\Seen` | system flag | (Dovecot) | – | read | read | read |

# %% [markdown]
# ## Summary
# You delivered a letter whose envelope and header disagree, and no server minded. You read
# replies as a client does: digits first, text never. You saw that POP3 deletes at `QUIT`, and that
# IMAP keeps letters and flags on the server.
#
# **Next**: 02, *Build a receiver*, where you write the other side. **To read**: RFC 5321 §3.3 and
# appendix D, a whole session on one page.

# %%
lab.report()
