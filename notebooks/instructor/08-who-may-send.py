# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 08. Who may send?
#
# **You will** close an open relay without closing the door; say who may send by address and who by
# login; keep out who guesses passwords, and nobody who mistypes; clean up after a day as an open
# relay, and get off a blocklist.
#
# **You need** notebooks 01 and 07, and Python: functions, dictionaries, sets.
#
# **Time** 60 minutes. **16 points** in four exercises. **To read** RFC 5321 §3.6 and §7.9, RFC 2505,
# RFC 4954, RFC 5782.

# %% [markdown]
# The teahouse has a new scanner, and the scanner could not send. It knows no login. A helpful
# visitor looked through the settings of the mail server, found one that made everything work, and
# left. Nobody has looked since. This morning large providers refuse the letters of the teahouse.
#
# ```text
#  scanner ──┐                                 ┌── mx.bigmail.example     Bob
#  office ───┤   ┌────────────────────┐        ├── mx.megapost.example    Dora
#  visitor ──┼───┤ the teahouse's     ├────────┼── mx of the branch       Ivy
#            │   │ server: 25 587 110 │        ├── stranger
#            │   └────────────────────┘        ├── bot-1, bot-2, bot-3
#  Alice, Carol, Dave have mailboxes here      └── mx.spamwatch.example   a list
# ```

# %% locked="set-up"
from base64 import b64encode

from maillab.grading import open_lab

lab = open_lab("08")
world, names = lab.world, lab.names
names

# %% [markdown]
# Names and addresses in this world are drawn by lot. Write `names.server`, not what it is called.

# %% [markdown]
# ## Round 1: Two questions at one door
# Port 25 is where other servers bring mail. They do not log in: nobody could give a password to
# every server of the world.
#
# **Predict.** A stranger, without a login, names two recipients: Alice, who lives here, and Bob, who
# lives at bigmail. Which of them will the server take?
#
# *Your prediction:* …


# %%
def knock(host, recipient, sender="someone@stranger.example"):
    with world.console(host, names.server, 25) as smtp:
        smtp.say(f"EHLO {host}", f"MAIL FROM:<{sender}>")
        return smtp.say(f"RCPT TO:<{recipient}>")


print(knock("stranger", f"alice@{names.domain}"))
print(knock("stranger", "bob@bigmail.example"))
world.why()

# %% [markdown]
# Mail *for us* comes in from anybody: that is what the port is for (RFC 5321 §3.3). Mail *for
# elsewhere* would go on in our name, at our cost and with our reputation. That is **relaying**, and a
# server may refuse it (RFC 5321 §7.9). The client was told one line; the trace knows the reason.
#
# The server engine asks at `RCPT`, and a policy answers. The whole rule is a pure function of facts
# and settings: `judge_recipient` in `maillab/policy/relay.py`.

# %%
lab.source("RCPT")

# %% [markdown]
# ## Round 2: The setting that made everything work
# **Predict.** Here is what the helpful visitor did. Which of the two answers will change? What will
# change for the scanner, for which it was done?
#
# *Your prediction:* …

# %%
world.configure(names.server, relay={"open": True})
print(knock("stranger", "bob@bigmail.example"))
print(knock("scanner", "bob@bigmail.example"))

# %% [markdown]
# An **open relay**: it takes mail from anybody for anybody. For the scanner nothing changed: its
# address stood among the networks that may relay all the time, with a typing error that somebody
# mended a minute later.
#
# Now close it, and let strangers dress up:

# %%
world.configure(names.server, relay={"open": False})
for recipient in (
    f"victim%bigmail.example@{names.domain}",
    f"bigmail.example!victim@{names.domain}",
    f'"victim@bigmail.example"@{names.domain}',
    f"@{names.domain}:victim@bigmail.example",
):
    print(knock("stranger", recipient))

# %% [markdown]
# Four old ways to say *take this, and pass it on to bigmail*: the percent hack, the bang path of
# UUCP, an address in quotes, a source route (RFC 2505 §2.1, RFC 5321 §3.6.1, appendix C). What counts
# is the domain behind the **last** `@`. What stands before it is a name for *that* domain, whatever
# it looks like. A source route in front is thrown away.
#
# The first three are therefore names here, and nobody has them. The fourth is Bob's neighbour at
# bigmail, as before.

# %% [markdown]
# ## Exercise 8.1: Close the relay, not the door
# The server has been set up anew, and badly. Strangers get through; there may be more than one hole.
#
# **Configure the server so that strangers reach our people and the branch, and nobody else; the
# scanner and who logs in reach everybody. And write the rule yourself: `takes(sender, recipient,
# client, user)` returns `True` or `False`.**
#
# `recipient` is what stands in `RCPT TO:<…>`; `client` an address; `user` who has logged in, or `""`. To
# the branch, strangers bring plain names only: its server takes `%`, `!` and `@` in a name for a route.
# And `postmaster` lives everywhere (RFC 5321 §4.5.1).

# %% [markdown]
# <details><summary>Hint</summary>
#
# `world.settings(names.server)` shows all settings; the keys are those of `configure`. A list is
# replaced as a whole. `rpartition("@")` cuts at the last one, and `domain.lower()` is good for comparing.
#
# </details>

# %% locked="begin-8.1"
task = lab.begin("8.1")
task

# %% answer="8.1"
### BEGIN SOLUTION
world.configure(names.server, relay={"open": False, "networks": [task.scanner]})
branch = {task.branch: {"allow_relay": True}}
world.configure(names.server, remote_domains=branch)
### END SOLUTION


def takes(sender, recipient, client, user):
    answer = ...
    ### BEGIN SOLUTION
    if recipient.startswith("@"):
        recipient = recipient.partition(":")[2]
    local, _, domain = recipient.rpartition("@")
    ours, branch = domain.lower() == task.domain, domain.lower() == task.branch
    if ours:
        answer = local in [*task.people, "postmaster"]
    else:
        trusted = bool(user) or client == task.scanner
        answer = trusted or (branch and not {*local} & {*"%!@"})
    ### END SOLUTION
    return answer


# %% [markdown]
# The check is a stranger with some 250 tricks (`labs/open-door/probes.txt`), among them `<>`, a
# transaction after `RSET`, a login that failed. Then come those who must get through. The same tricks
# are put to your function.

# %% check="8.1" points=4
lab.check("8.1", takes)

# %% [markdown]
# ## Round 3: By address, or by login
# There are two ways to be one of us: to sit at the right address, or to know a word. An address
# is a weak proof, but all that a scanner has.
#
# hMailServer and others have **IP ranges**: of all that hold an address, the one with the highest
# priority decides. It says which protocols may connect, which *ways* mail may take (`local-external`:
# from our senders to foreign recipients), and which ways want a login. Who is in no range cannot
# connect (`IPRange` in `maillab/policy/settings.py`).
#
# **Predict.** The scanner may relay by `relay.networks`. Now one range for all addresses is set. May
# it still?
#
# *Your prediction:* …

# %%
anybody = {"name": "All", "first": "0.0.0.0", "last": "255.255.255.255"}
anybody["login_for"] = ["local-local", "local-external", "external-external"]
world.configure(names.server, relay={"open": False}, remote_domains=[])
world.configure(names.server, access={"ip_ranges": [anybody]})
print(knock("scanner", "bob@bigmail.example"))
world.why()

# %% [markdown]
# It may not: where there are ranges, they decide (RFC 5321 §7.9 leaves it to us by which rule).
#
# The other way is `AUTH` (RFC 4954), at port 587, which is for people (RFC 6409 §3.1).
#
# **Predict.** Which mechanisms does the server offer before TLS, and which inside it?
#
# *Your prediction:* …

# %%
with world.console("carol-home", names.server, 587) as smtp:
    before = smtp.say("EHLO carol-home")
    smtp.say("STARTTLS")
    smtp.start_tls()
    inside = smtp.say("EHLO carol-home")
[[row for row in ehlo.split("\n") if "AUTH" in row] for ehlo in (before, inside)]

# %% [markdown]
# The same, and that is a mistake of this server. `PLAIN` and `LOGIN` send the password itself, in a
# coat of Base64 that hides nothing (notebook 07). They need TLS around them (RFC 4954 §4). `SCRAM`
# proves that one knows the word and does not say it (RFC 5802), but old programs do not know `SCRAM`.

# %% [markdown]
# ## Exercise 8.2: A written policy
# The warehouse has the addresses from `task.first` to `task.last`; those beside them are the
# neighbours'.
#
# **Configure the server by this policy.**
#
# 1. Anybody brings mail for our people; nobody uses our domain as sender, or relays, without login.
# 2. The devices of the warehouse send in the name of our domain, to anywhere, without login; not for
#    others, and they read no mail.
# 3. Port 25 offers no `AUTH`; 587 only inside TLS, with all of `task.mechanisms`.
# 4. Who has logged in writes only as himself (RFC 6409 §6.1).
#
# <details><summary>Hint</summary>
#
# Two `ip_ranges` of `access`, with `priority`; `relays` and `protocols` list what is allowed. For 3:
# `login_on_port_25`, `plain_login`, `mechanisms`. For 4: `sender_match` of `relay`.
#
# </details>

# %% locked="begin-8.2"
task = lab.begin("8.2")
task

# %% answer="8.2"
internet = {"name": "Internet", "first": "0.0.0.0", "last": "255.255.255.255"}
warehouse = {"name": "Warehouse", "first": task.first, "last": task.last}
### BEGIN SOLUTION
ways = ["local-local", "local-external"]
internet |= {"priority": 10, "login_for": [*ways, "external-external"]}
warehouse |= {"priority": 20, "relays": ways, "protocols": ["smtp"]}
logins = {"login_on_port_25": False, "plain_login": False}
logins |= {"mechanisms": task.mechanisms}
pages = world.configure(
    names.server,
    access={"ip_ranges": [internet, warehouse], **logins},
    relay={"sender_match": "account"},
)
### END SOLUTION

# %% [markdown]
# The check sends from the first and the last address of the warehouse, from both neighbours, from
# outside; and it logs in at both ports, before TLS and inside it.

# %% check="8.2" points=4
lab.check("8.2")

# %% [markdown]
# ## Round 4: Guessing
# Where there are logins, there is somebody who tries them. **Auto-block** bans an address after some
# wrong ones.
#
# **Predict.** Three wrong ones are allowed, and a bot tries `tea1`, `tea2`, … What will the fourth
# connection hear? And Alice, who mistypes three times?
#
# *Your prediction:* …


# %%
def log_in(host, user, password):
    with world.console(host, names.server, 110) as pop:
        if not pop.greeting.startswith("+OK"):
            return pop.greeting
        return pop.say(f"USER {user}", f"PASS {password}").split("\n")[-1]


task = lab.begin("8.3")
world.configure(names.server, defence={"autoblock": {"attempts": 3}})
for n in range(1, 5):
    print(log_in("bot-1", "alice", f"tea{n}"))
print(log_in("office", "alice", world.user("alice").password))

# %% [markdown]
# The ban is an IP range of one address, in which nothing is allowed, and which expires. It counts for
# all protocols. A server may drop who guesses, but not before the third failure (RFC 4954 §9); for
# people typed it wrong, and a phone with last year's password fails every ten minutes, day and night,
# and is no attacker.

# %%
world.why("Not from here")

# %% [markdown]
# ## Exercise 8.3: The attacker, not the clumsy
# **Switch on auto-block, and write a better guard.**
#
# *Auto-block* (`attempts`, `window`, `ban`): in a morning no bot gets more than `task.most` guesses;
# people who mistype `task.typos` times get in; a phone that fails every `task.phone_minutes` minutes
# is heard.
#
# `guard(log)` is called after each login of a day with patient bots, one of which owns a stolen
# account. `log` has all logins, the newest last, with `.time`, `.address`, `.user`, `.password` (a
# fingerprint) and `.ok`. It returns for how many seconds `log[-1].address` is banned, or 0.
#
# <details><summary>Hint</summary>
#
# Count *different* wrong words. A success shows that its user only mistyped, and says nothing about
# other users.
#
# </details>

# %% locked="begin-8.3"
task = lab.begin("8.3")
task

# %% answer="8.3"
### BEGIN SOLUTION
autoblock = {"attempts": 5, "window": "30 min", "ban": "1 day"}
world.configure(names.server, defence={"autoblock": autoblock})
### END SOLUTION


def guard(log):
    seconds = ...
    ### BEGIN SOLUTION
    here = [login for login in log if login.address == log[-1].address]
    missed = {}
    for login in here:
        if login.ok:
            missed.pop(login.user, None)
        else:
            missed.setdefault(login.user, set()).add(login.password)
    seconds = 86400 if sum(map(len, missed.values())) > 6 else 0
    ### END SOLUTION
    return seconds


# %% [markdown]
# The check lets a morning pass with your settings, and a day with your guard: each login is a session
# in this world.

# %% check="8.3" points=4
lab.check("8.3", guard)

# %% [markdown]
# ## Round 5: A day as an open relay
# Now live through what happened. The next cell opens the relay again and lets 24 hours pass.
#
# **Predict.** What will wait in the queue in the evening? How do others find out about us? And what
# becomes of the letters that Alice writes?
#
# *Your prediction:* …

# %%
task = lab.begin("8.4")
queue = world.server(names.server).queue
for entry in list(queue.entries.values())[:6]:
    first = entry.content.decode().split("\r\n")[0]
    print(f"{entry.reverse_path.to_path():28} {first}")
print(len(queue.entries), "messages")

# %% [markdown]
# Somebody bought a list of addresses, and some of them are **traps**: nobody lives there, so who
# writes there writes to everybody. Our address came onto a list, which others ask in the DNS
# (RFC 5782 §2.1): the octets backwards, below the name of the list. `127.0.0.2` says *listed*.

# %%
octets = ".".join(reversed(task.address.split(".")))
world.dig(f"{octets}.{task.list}", "TXT", host="stranger")

# %% [markdown]
# Megapost puts our mail off (`451`), so it waits, spam and letters alike. Bigmail refuses it (`554`), and
# both refuse names that nobody has (`550`): a report goes back to each sender. Alice got several. Which
# one is about a letter of hers?

# %%
letters = [m.content.decode() for m in world.mailbox("alice").messages]
for letter in letters:
    print(next(row for row in letter.splitlines() if " said " in row))

# %% [markdown]
# She wrote to Bob only; the bots used her address, and such reports to forged senders are
# **backscatter**.
#
# Whose is a message? Not the sender's whose name it bears. But our server writes a postmark **on top**
# of each one (RFC 5321 §4.4). `ESMTPSA` means *came inside TLS, from somebody who logged in*
# (RFC 3848). In front of the parentheses stands what the client says of itself; inside them, what our
# server saw. And what stands below may be anybody's invention.

# %%
spam = [e for e in queue.entries.values() if b"Cheap" in e.content]
print("\n".join(spam[0].content.decode().splitlines()[:9]))

# %% [markdown]
# ## Exercise 8.4: Clean up
# **Close the relay. Delete from the queue all that neither our people, who log in, nor the scanner
# have brought; and no letter of theirs. Then let Alice write to `task.desk`, with our address in the
# subject, and wait: the desk looks at the server, answers by mail after ten minutes, and takes us off
# the list or says why not. See that the letters arrive.**
#
# <details><summary>Hint</summary>
#
# `queue.delete(id)` deletes and tells nobody. A report has no sender:
# `entry.reverse_path.is_null`. `world.advance("15 min")` waits, `queue.retry("all")` does not, and
# `world.settle()` lets the letters under way arrive. `lab.begin` plays the day again.
#
# </details>

# %% locked="begin-8.4"
task = lab.begin("8.4")
task

# %% answer="8.4"
queue = world.server(names.server).queue
### BEGIN SOLUTION
world.configure(names.server, relay={"open": False})
for id, entry in list(queue.entries.items()):
    top = entry.content.split(b";")[0].decode()
    logged_in = top.startswith("Received:") and " with ESMTPSA " in top
    if not logged_in and f"([{task.scanner}])" not in top:
        queue.delete(id)
world.send("alice", task.desk, f"Please delist {task.address}")
world.advance("15 min")
queue.retry("all")
world.settle()
### END SOLUTION

# %% [markdown]
# If the list part says ✗, read what the desk wrote: `world.read("alice")[-1]`. In the picture after the
# check the day stands twice, since you lived it in round 5, too; `—` or `d` is what was deleted.

# %% check="8.4" points=4
lab.check("8.4")

# %%
world.queue(names.server)

# %% [markdown]
# ## Break it, and repair it
# The relay is closed, and still a bot can send through it: with a stolen password. Carol used hers in
# another place, too.


# %%
def as_carol(host):
    carol = world.user("carol")
    words = f"\0{carol.address}\0{carol.password}".encode()
    with world.console(host, names.server, 587) as smtp:
        smtp.say("EHLO x", f"AUTH PLAIN {b64encode(words).decode()}")
        reply = smtp.say(f"MAIL FROM:<{carol.address}>")
        if reply.startswith("250"):
            smtp.say("RCPT TO:<dora@megapost.example>", "DATA")
            reply = smtp.say("Subject: Pills", "", "Buy!", ".")
        return reply


# %%
print(as_carol("bot-1"))
world.configure(names.server, limits={"messages_per_hour": 2})
for _ in range(3):
    print(as_carol("bot-1"))
world.why()

# %% [markdown]
# No rule about relaying helps: the login is right. A limit for each account keeps the damage small
# until somebody notices (RFC 2505 §2.8), and a new password ends it:

# %%
world.user("carol").set_password("a-word-of-her-own")
world.settle()

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `relay.open` off | relaying, 5321 §7.9 | `reject_unauth_destination` | Relay Restrictions | IP range: external to external | authentication required | never a relay |
# | `relay.networks` | – | `mynetworks` | *Only the list below* | IP ranges | *Ignore authentication for LAN connections* | connector by IP address |
# | `remote_domains` | backup MX, 5321 §5.1 | `relay_domains` | remote domain, *Allow … to be relayed* | Routes | – | accepted domain, *Internal relay* |
# | `autoblock` | 4954 §9 | fail2ban | – | Auto-ban | Auto Block | smart lockout |
# | `dnsbl` | 5782 | `reject_rbl_client` | – | DNS blacklists | DNS-based blackhole list | lists of its own |
# | `queue.delete` | – | `postsuper -d` | delete in *Queue* | Delivery queue | mail queue | – |

# %% [markdown]
# ## Summary
# You closed a relay with three holes, and kept the door open for letters, the branch, the scanner and
# travellers. You wrote a policy by address and login. Your guard counts different wrong words, and
# bots are out while phones are in. You found your own letters in a queue of spam by the one line that
# nobody could forge, and a list let you go.
#
# **Next**: 09, *Who says so?*, where servers ask whether a sender may use a name. **To read**:
# RFC 2505, a page for each rule that you used; RFC 6471, how lists should behave.

# %%
lab.report()
