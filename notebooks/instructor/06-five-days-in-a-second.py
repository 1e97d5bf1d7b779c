# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 06. Five days in a second
#
# **You will** write the rule by which a mail server decides whether to try again, to warn, or to
# give up; be the backup of a server that is dark for 30 hours, and lose nothing; stop a letter that
# goes round in circles.
#
# **You need** notebooks 01 and 04: replies, MX records. And Python: functions, `if`.
#
# **Time** 60 minutes. **13 points** in three exercises. **To read** RFC 5321 §4.5.4, §5.1 and
# §6.1–6.3, RFC 3464.

# %% [markdown]
# You look after the mail of a harbour. Out at sea lies an island, reached by a slow radio link, and
# its server has power only while the generator runs. Nobody there worries: a letter waits at the
# harbour until the lights are on again. *Who* makes it wait, for how long, and what the sender is
# told, is the subject of today. It is called **store and forward**.
#
# ```text
#                              ┌── mail.island.example    slow, often dark   nora olaf pia
#  desk ── mail.harbour ───────┼── mail.school.example    impatient          sven nora
#  alice   (yours)             └── mail.wreck.example     sank years ago
# ```

# %% locked="set-up"
from maillab.grading import open_lab
from maillab.policy.retry import Bounce, Drop, Retry

lab = open_lab("06")
world, names = lab.world, lab.names
lab

# %% [markdown]
# Domains and addresses in this world are drawn by lot, and your notebook may be run again where they
# are others. So write `names.server` and `names.island`, never the name itself. Time passes only when
# you say so: `world.advance("5 days")` takes less than a second.

# %%
names

# %% [markdown]
# ## Round 1: Nobody at home
# The ship `wreck` is on the sea floor; her MX record is still in the DNS.
#
# **Predict.** Alice writes to her captain. How soon will your server try again? How often in six
# days? What will Alice hear, and when?
#
# *Your prediction:* …

# %%
world.power_off(names.wreck_server)
print(world.send("alice", f"captain@{names.wreck}", "Are you there?", "Ahoy!"))
world.queue(names.server)

# %% [markdown]
# `250` was said to Alice at once, long before anybody knew that the ship is gone. With it your server
# took **responsibility**: from now on it delivers the letter, or reports that it could not, and
# nothing else (RFC 5321 §6.1). Nobody answers over there, so it waits: *deferred*.

# %%
world.advance("6 days")
world.queue(names.server)

# %% [markdown]
# Each dot is a try that failed: after 5, 15 and 30 minutes, then every hour. RFC 5321 §4.5.4.1 asks for
# patience, "the retry interval SHOULD be at least 30 minutes", but allows a cleverer strategy; like many
# servers, ours is quick at first. And "the give-up time generally needs to be at least 4–5 days": at
# `✗` the server gave up. What did Alice get?

# %%
report = world.user("alice").inbox.messages[-1].content.decode()
print("\n".join(report.splitlines()[:25]))

# %% [markdown]
# A **delivery status notification** (RFC 3464): a part for people, a part for programs (below), and
# the header of the letter. Alice waited five days for it. And look at the first line: the
# `Return-Path` of a report is empty, `<>`. RFC 5321 §6.1 demands this, and soon you will see why.

# %%
print("\n".join(report.splitlines()[25:40]))

# %% [markdown]
# ## Round 2: Not now, or never?
# The island's server is told to be rude for one minute: whoever it does not know must come again
# later. This is **greylisting** (RFC 6647): spammers seldom come twice.
#
# **Predict.** Two letters, one to Nora on the island, one to a `ghost` whom nobody at the school
# knows. Which of them will be tried again?
#
# *Your prediction:* …

# %%
world.fault("RCPT", host=names.island_server, reply="450 4.7.1 Come later", times=1)
world.send("alice", f"nora@{names.island}", "The weather")
world.send("alice", f"ghost@{names.school}", "Boo")
world.advance("1 hour")

# %%
world.trace.messages[2]

# %% [markdown]
# `450` is *not now*: Nora's letter waited, was tried again, and arrived (RFC 5321 §4.2.1). And the
# ghost's?

# %%
world.why("ghost")

# %% [markdown]
# `550` is *never*: to try again would only be a nuisance, so the report left at once. And where there
# is no reply at all? The server then writes a code of its own, as RFC 3463 has it: `4.4.1` nobody answers,
# `5.1.2` no such domain.
#
# When to try again says `RetrySchedule` in `maillab/policy/retry.py`, a dozen lines. Now you will
# replace it.

# %% [markdown]
# ## Exercise 6.1: The rule
# **Write `next_step(failure)`, which says what becomes of a recipient who was not reached.**
# It returns `Retry(seconds)`, `Retry(seconds, warn=True)`, `Bounce(mail_from, rcpt_to)` or `Drop()`.
#
# | when | what |
# |---|---|
# | for good: 5yz, or no reply and enhanced code 5.… | report to the sender |
# | for now, in the first hour | try again after 30 to 60 minutes |
# | for now, later | try again after 2 to 3 hours |
# | for now, 4 hours old, nobody warned yet | ... and warn, once |
# | 5 days old | report to the sender |
# | a report is due, but the letter came from `<>` | drop it; and no warning either |
#
# A report goes *from* the null reverse-path, which is written `""`.

# %% [markdown]
# What your function is given:
#
# ```text
# failure.code      450, or 0 when there was no reply      failure.attempts   3
# failure.enhanced  "4.7.1", or ""                         failure.warned     False
# failure.age       7200.0, in seconds                     failure.mail_from  "alice@…", "" is <>
# failure.reason    in words, for people                   failure.rcpt_to    "nora@…"
# ```
#
# <details><summary>Hint</summary>
#
# First ask whether it is for good: `failure.code >= 500`, or `failure.enhanced.startswith("5")`. Then
# whether it is too old. Both end in the same place, and only there it matters whom the letter
# came from. What is left is a `Retry`. An hour has 3600 seconds, a day 86400.
#
# </details>

# %% locked="begin-6.1"
task = lab.begin("6.1")
task


# %% answer="6.1"
def next_step(failure):
    step = ...
    ### BEGIN SOLUTION
    final = failure.code >= 500 or failure.enhanced.startswith("5")
    if final or failure.age > 5 * 86400:
        step = Bounce("", failure.mail_from) if failure.mail_from else Drop()
    else:
        wait = 1800 if failure.age < 3600 else 2 * 3600
        late = failure.age > 4 * 3600 and not failure.warned
        step = Retry(wait, warn=late and failure.mail_from != "")
    ### END SOLUTION
    return step


world.server(names.server).queue.decide = next_step
world.advance(f"{task.days} days")

# %% [markdown]
# Your rule has just run a mail server for six days. The island was dark for a night. A scanner sent a
# page to somebody who does not exist; and its own address, which somebody mistyped, does not exist
# either. The check reads what became of it all, and asks your function about 64 more failures. After a
# change, run the exercise from its first cell.

# %% check="6.1" points=5
lab.check("6.1", next_step)

# %%
world.queue(names.server)

# %% [markdown]
# The days of this exercise are those on the right; `!` is your warning. Find the letter that waited
# through the night, and those that were given up on at once, without a dot before the `✗`. At the school
# there are two close together: the page of the scanner, and the report about it. Nobody has the
# scanner's address, so the report failed too; it came from `<>`, and was dropped.

# %% [markdown]
# ## Break it: reports that somebody signs
# Surely it is more polite when a report comes from a real person? Here is a server whose reports
# come from `help@harbour`, whom nobody has told that he exists.
#
# **Predict.** The scanner with the mistyped address sends one page to somebody who does not exist. How
# many reports?
#
# *Your prediction:* …


# %%
def signed(failure):
    return Bounce(f"help@{names.domain}", failure.mail_from)


world.server(names.server).queue.decide = signed
before = len(world.trace.of_kind("dsn"))

# %%
with world.console(names.desk, names.server, 25) as scanner:
    scanner.say("EHLO scanner", f"MAIL FROM:<scanner@{names.school}>")
    scanner.say(f"RCPT TO:<nobody@{names.school}>", "DATA", "Subject: A page", "", ".")
world.settle()
len(world.trace.of_kind("dsn")) - before

# %% [markdown]
# A hundred within a minute; then our queue lost its patience and went on by its own rule, which ended
# it with one more (`maillab/agents/next_steps.py`). The report bounced, so did the report about it, and so on. That is why
# a report is from `<>`, and why nobody may ever report to `<>` (RFC 5321 §6.1). Repair it:

# %%
world.server(names.server).queue.decide = next_step

# %% [markdown]
# ## Round 3: A second address for the island
# The school's server is impatient: after 12 hours it gives up. When the island is dark for longer, its
# letters are lost, and not by any fault of the island's.
#
# **Predict.** Your server offers to keep them. What must change in the DNS, and what number must
# stand there? Will your server take mail for the island just like that?
#
# *Your prediction:* …

# %%
print(world.zone(names.island).records("@", "MX"))
with world.console(names.school_server, names.server, 25) as smtp:
    smtp.say("EHLO school", f"MAIL FROM:<sven@{names.school}>")
    print(smtp.say(f"RCPT TO:<olaf@{names.island}>"))

# %% [markdown]
# An MX record has a **preference**: the lowest number is tried first, the next one when that fails
# (RFC 5321 §5.1). A server with a higher number is a *backup MX*: it takes the mail, keeps it, and
# hands it on to those with lower numbers only, so nothing can go in circles.
#
# But `5.7.1`: your server relays for nobody it was not told about (notebook 08). And there is a trap.
# Spammers love backups, because many take mail for *any* name. What cannot be delivered is reported,
# to a sender who was forged. Such reports are called **backscatter**.

# %% [markdown]
# ## Exercise 6.2: Thirty hours dark
# In two hours the storm begins. Sven will write letters to the island, and a stranger will write to
# guessed names there, in Sven's name.
#
# **Make your server the backup of the island: everything must arrive, once; what is for nobody
# must be refused at once; your server must not become an open relay. Then let three days pass.**
#
# ```text
# world.zone(names.island).add("@", "MX", "30 some.host.example.")
# world.configure(names.server, remote_domains={"some.example": {"allow_relay": True, …}})
# ```
#
# <details><summary>Hint</summary>
#
# Three things: the record; the permission, in which `recipients` is a list of the addresses that
# exist; and patience: `world.settings(names.server)` shows `delivery.expire`, by which the server goes
# when you have not put in your own rule. End the host's name in a record with a dot.
#
# </details>

# %% locked="begin-6.2"
task = lab.begin("6.2")
task

# %% answer="6.2"
zone = world.zone(names.island)
### BEGIN SOLUTION
zone.add("@", "MX", f"20 {names.server}.")
island = {"allow_relay": True, "recipients": task.people}
world.configure(names.server, remote_domains={names.island: island})
world.configure(names.server, delivery={"expire": "5 days"})
### END SOLUTION
world.advance("3 days")
world.queue(names.server)

# %% [markdown]
# The check reads three INBOXes on the island, Sven's, and everything that your server took and
# refused meanwhile.

# %% check="6.2" points=4
lab.check("6.2")

# %% [markdown]
# The last letter to Olaf, from the top. Every server writes its `Received` field above the older ones:
# between the postmark of the harbour (below) and that of the island (on top) lie the hours of the
# storm (RFC 5321 §4.4).

# %%
for letter in world.user("olaf").inbox.messages[-1:]:
    print("\n".join(letter.content.decode().splitlines()[:7]))

# %% [markdown]
# ## Round 4: Postmarks
# **Predict.** Every server that takes a letter writes a `Received` field on top of it. How many does a
# letter from Alice to Olaf have when he reads it? When is a number suspicious?
#
# *Your prediction:* …

# %%
world.send("alice", f"olaf@{names.island}", "Lights on?")
letter = world.user("olaf").inbox.messages[-1].content
letter.count(b"Received: from")

# %% [markdown]
# Two servers, two fields. A letter that has a hundred is going round in circles: RFC 5321 §6.3 wants
# every server to notice, by counting, with "a large rejection threshold, normally at least 100", or
# by better means. Ours writes a `Delivered-To` field when it forwards, and knows a letter that comes
# back (`maillab/agents/delivery.py`).
#
# Nora has two addresses. On the island she has set up: *forward to the school*. At the school, a
# year later: *forward to the island*.

# %% [markdown]
# ## Exercise 6.3: Round and round
# Somebody has switched off both safeguards on both servers (`limits.hops` is 0, `recipients.detect_loops`
# is false), and a letter from Alice that began to circle on a Saturday is still under way.
#
# **Let a server stop it, so that Alice gets one report. Then take away the forward that is wrong: Nora
# reads her mail at `task.home`. Let Alice write to `task.other`, with the subject of the task.**
#
# <details><summary>Hint</summary>
#
# `world.configure(server, limits={"hops": …})`, then let some minutes pass: the radio link is slow.
# The forwards of a server are `recipients={"forwards": […]}`, a list that is replaced as a whole; `[]`
# is none. Which server's has to go? `names.island in task.home` tells.
#
# </details>

# %% locked="begin-6.3"
task = lab.begin("6.3")
task

# %% answer="6.3"
servers = [names.island_server, names.school_server]
### BEGIN SOLUTION
for server in servers:
    world.configure(server, limits={"hops": 100}, recipients={"detect_loops": True})
world.advance("10 min")
home = servers[0] if names.island in task.home else servers[1]
world.configure(home, recipients={"forwards": []})
world.send("alice", task.other, task.subject)
### END SOLUTION
world.advance("10 min")

# %% [markdown]
# The check counts the reports in Alice's INBOX, and how often the second letter was handed on.

# %% check="6.3" points=4
lab.check("6.3")

# %%
world.why()

# %% [markdown]
# One report, although the letter had been handed on dozens of times: the *reverse-path* stayed
# Alice's all the way round, because a forward does not change it (RFC 5321 §3.9.1). The server that gave
# up wrote to her, and to nobody in between. And had the report run into the same circle, `<>` would
# have ended it.

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `Retry` | 5321 §4.5.4.1 | `minimal_backoff_time` | *First retry interval* | *Minutes between every retry* | – | 15 to 60 minutes |
# | `warn=True` | action *delayed* | `delay_warning_time` | *Delay notification* | – | – | delayed DSN |
# | 5 days | give-up time | `maximal_queue_lifetime` | *Expiration time-out* | *Number of retries* | – | 24 hours |
# | `Bounce` | DSN, 3464 | bounce(8) | NDR, Badmail | returned mail | – | NDR |
# | `recipients` | 5321 §3.6.2 | `relay_recipient_maps` | – | addresses of a Route | – | Directory-Based Edge Blocking |
# | `limits.hops` | 5321 §6.3 | `hopcount_limit` | *Maximum hop count* | – | *Max message hops* | report with 5.4.14 |

# %% [markdown]
# ## Summary
# You wrote the rule that makes mail reliable: *not now* waits, *never* is said at once, and nobody is
# left without an answer. You kept an island's letters through a storm without answering a stranger's
# forgeries. You ended a circle with one report, because a report is from nobody.
#
# **Next**: 07, *Everyone can read it*, where somebody listens on the line. **To read**: RFC 5321
# §4.5.4.1 and §6, three pages that every bounce in your mailbox comes from.

# %%
lab.report()
