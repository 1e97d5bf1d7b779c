# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 11. The smart host
#
# **You will** build a relay that serves its own users and nobody else; send all mail of a server at
# home through it; make the DNS say that this is right; do the same with the words of IIS and with a
# tenant in a cloud; and lose nothing in a day without power.
#
# **You need** notebooks 07 (TLS), 08 (who may send) and 10 (the closed port).
#
# **Time** 60 minutes. **19 points** in four exercises. **To read** RFC 6409, RFC 4954, RFC 5321 §4.5.4,
# RFC 7208 §2 to §5.

# %% [markdown]
# In notebook 10 we learned it the hard way: the provider drops what goes out to port 25, and it will
# not change that. Letters to Alice arrive. Her own letters wait in the queue of her PC until it gives
# up.
#
# But the provider closes one *port*, not the mail. On port 587 a server takes letters from people
# whom it knows. If Alice rents a small machine in a data centre, her server can hand it everything,
# like a mail program would. Such a machine is called a **smart host** or **relay**.
#
# ```text
#  flat    mail.home ───┐                        ┌── mx.bigmail    (Bob)
#                       ├── provider ═ ✗ 25 ═ ───┼── mx.megapost   (Dora)
#  office  mail.office ─┘         587 open       ├── relay.harbour  the machine that Alice rents
#          scanner                               ├── smtp.cloud     the office's cloud
#                                                └── mx.partner     the office's partner
# ```
#
# In your world some domains have other names: write `names.relay`, never the name itself.

# %% locked="set-up"
from maillab.grading import open_lab

lab = open_lab("11")
world, names = lab.world, lab.names
names

# %%
world.topology()

# %% [markdown]
# ## Round 1: One last try by port 25
# **Predict.** Alice writes to Bob. How many SYNs leave her flat, how long does her server wait, and
# what does it do then?
#
# *Your prediction:* …

# %%
world.send("alice", "bob@bigmail.example", "Are you there?")
world.advance("3 min")
world.trace.session(port=25).ladder()

# %%
world.why("bob@bigmail.example")

# %% [markdown]
# Seven SYNs, 127 seconds, no word (RFC 9293 §3.8.3). A time-out is a *temporary* failure, so the
# letter stays in the queue and is tried again (RFC 5321 §4.5.4.1). It will never work.
#
# **Predict.** Is the way to port 587 of the relay open? Which box decides?
#
# *Your prediction:* …

# %%
world.explain(names.home_server, names.relay, 587)

# %% [markdown]
# Port 25 is for servers that talk to strangers: *relay*. Port 587 is for people who log in:
# **submission** (RFC 6409 §3.1). Providers close the first because of spam from infected PCs, and
# leave the second open, because there a *login* makes somebody answerable.

# %% [markdown]
# ## Round 2: Look at the machine you rented
# Somebody has already installed Postfix on it, by a tutorial. Before we use it, we look at what it
# would do for whom.
#
# **Predict.** In the same rack stands a machine that somebody else rents. May it send letters to the
# world through ours?
#
# *Your prediction:* …

# %%
with world.console("vps-next-door", names.relay, 25) as console:
    print(console.say("EHLO vps-next-door"))
    print(console.say("MAIL FROM:<lottery@winner.example>"))
    print(console.say("RCPT TO:<bob@bigmail.example>"))

# %% [markdown]
# It may. `relay.networks` has the whole subnet in it, once a famous default of Postfix
# (`mynetworks_style = subnet`). Whoever rents a neighbour is "us" (RFC 5321 §7.9).
#
# And a login?

# %%
with world.console("stranger", names.relay, 587) as console:
    print(console.say("EHLO stranger"))

# %% [markdown]
# `AUTH` stands there before `STARTTLS` was said: passwords are taken in clear. Between Alice's flat
# and the relay are a router, a provider and the internet. Servers "SHOULD NOT advertise" PLAIN where
# nothing protects it (RFC 4616 §5). What our own server does with the command:

# %%
lab.source("AUTH")

# %% [markdown]
# ## Exercise 11.1: A relay for its own users
# **Make an account for Alice's server, let nobody relay who has not logged in, and take no password
# in clear.** Mail for the relay's own domain must still come in.
#
# <details><summary>Hint</summary>
#
# `world.settings(task.relay)` shows all settings with their keys. `world.configure(server,
# section={"key": value})` changes them; a list is replaced as a whole.
# `world.directory(task.domain).create_user("home", …)` makes an account.
#
# </details>

# %% locked="begin-11.1"
task = lab.begin("11.1")
task

# %% answer="11.1"
relay = task.relay
### BEGIN SOLUTION
world.directory(task.domain).create_user("home", task.password)
pages = world.configure(relay, relay={"networks": []}, access={"plain_login": False})
### END SOLUTION

# %% [markdown]
# The check knocks as a neighbour, as a stranger, as somebody who listens, and as Alice's server.

# %% check="11.1" points=5
lab.check("11.1")

# %% [markdown]
# ## Round 3: Who is the sender now?
# **Predict.** Alice's letter will reach Bob's provider from the relay. Which address does Bob's
# provider see: that of the flat, or that of the relay? And what does the DNS of Alice's domain say
# about who may send for it?
#
# *Your prediction:* …

# %%
print(world.zone(names.home).text())

# %% [markdown]
# `v=spf1 mx -all` means: the hosts of our MX may send, nobody else (RFC 7208 §3). That was true while
# Alice sent by herself. The world will see the **relay's** address now, and many would refuse the
# letter: *fail*. Whoever changes the way of the mail must change the record, too. It is read from
# left to right, and the first mechanism that fits decides (RFC 7208 §4.6.2):
#
# | mechanism | fits |
# |---|---|
# | `mx`, `a:NAME` | the addresses of our MX, of that name |
# | `ip4:192.0.2.1` | that address |
# | `-all`, `~all` | everything else: fail, soft fail |

# %% [markdown]
# ## Exercise 11.2: Home by the relay
# **Let Alice's server send everything by the relay: port 587, TLS, its account. No SYN to port 25 may
# leave the flat any more, and a letter must rather wait than go in clear. Then correct the SPF
# record: the relay may send for the domain, strangers may not.**
#
# <details><summary>Hint</summary>
#
# `delivery={"smart_host": {"host": …, "port": …, "user": …, "password": …, "tls": …}}`. For `tls`
# there are `none`, `may`, `encrypt` and `verify`. The zone: `zone.replace("@", "TXT", '"v=spf1 …"')`,
# with quotation marks inside.
#
# </details>

# %% locked="begin-11.2"
task = lab.begin("11.2")
task

# %% answer="11.2"
zone = world.zone(task.zone)
### BEGIN SOLUTION
smart_host = {"host": task.relay, "port": 587, "tls": "verify"}
smart_host |= {"user": task.user, "password": task.password}
pages = world.configure(task.server, delivery={"smart_host": smart_host})
zone.replace("@", "TXT", f'"v=spf1 mx a:{task.relay} -all"')
### END SOLUTION

# %% [markdown]
# The check sends two letters, looks at every connection that leaves the flat, then plays the thief
# who takes `STARTTLS` out of the relay's answer.

# %% check="11.2" points=5
lab.check("11.2")

# %% [markdown]
# Follow one letter from Alice to Bob. Each server writes its own `Received` field on top
# (RFC 5321 §4.4).

# %%
world.send("alice", "bob@bigmail.example", "By another way")
world.advance("1 min")
world.trace.messages[-1]

# %% [markdown]
# `ESMTPSA` in the second hop says it all: S for TLS, A for AUTH (RFC 3848). The relay took the letter
# because it *knows* Alice's server, and Bob's provider took it because Bob lives there. Nobody relayed
# for a stranger.

# %% [markdown]
# ## Round 4: The same in other words
# The office has an IIS SMTP server on Windows. Its menus have other words for the same things.
#
# **Predict.** Which menu holds the smart host? Where can a *single* domain get a way of its own?
#
# *Your prediction:* …

# %%
rows = world.settings(names.office_server).text().splitlines()
keys = ("relay.networks", "smart_host", "masquerade", "remote_domains", "delivery.tls")
print(*[row for row in rows if any(key in row for key in keys)], sep="\n")

# %% [markdown]
# **Relay: only the list below** is `relay.networks`. **Smart host** and **outbound security** belong
# to the server as a whole, and a **remote domain** has both for itself (RFC 5598 §4.3.2: a relay goes
# by the envelope).
#
# The cloud tenant has one more rule: an account sends in *its own* name only. Microsoft calls it
# *Send As*; the error is `5.7.60` (RFC 6409 §6.1 allows a server to insist). IIS has a cure:
# the **masquerade domain** takes the place of the local domain in `MAIL FROM`.

# %% [markdown]
# ## Exercise 11.3: The scanner's letters
# The office's scanner mails what it scans, and cannot log in. Its server shall do so for it.
#
# **Let only the machines of the office, `task.machines`, relay. Send mail for the partner's domain to the partner's
# server: TLS from the first octet, port 465, with a login. Send everything else by the cloud: port
# 587, STARTTLS, in the name of the account.**
#
# <details><summary>Hint</summary>
#
# Four keys: `relay.networks`, `delivery.masquerade`, `delivery.smart_host`, and
# `remote_domains={task.partner: {"smart_host": {…}}}`. A smart host has `implicit_tls`, too.
#
# </details>

# %% locked="begin-11.3"
task = lab.begin("11.3")
task

# %% answer="11.3"
partner = {"host": task.partner_host, "user": task.partner_user}
cloud = {"host": task.cloud_host, "user": task.cloud_user}
### BEGIN SOLUTION
partner |= {"password": task.partner_password, "tls": "verify"}
partner |= {"port": 465, "implicit_tls": True}
cloud |= {"password": task.cloud_password, "tls": "verify", "port": 587}
domain = task.cloud_user.partition("@")[2]
pages = world.configure(
    task.server,
    relay={"networks": [task.machines]},
    delivery={"masquerade": domain, "smart_host": cloud},
    remote_domains={task.partner: {"smart_host": partner}},
)
### END SOLUTION

# %% [markdown]
# The check puts two pages on the scanner, and a guest with a laptop into the same network.

# %% check="11.3" points=5
lab.check("11.3")

# %% [markdown]
# ## Round 5: When the lights go out
# Alice's PC is off for a day. What is sent to her waits at the senders, and most senders are patient:
# "the give-up time generally needs to be at least 4-5 days" (RFC 5321 §4.5.4.1). Not all are.
#
# **Predict.** Dora's provider gives up after four hours. What does Dora get, and what does Alice?
#
# *Your prediction:* …

# %%
world.power_off(names.home_server)
world.send("dora", f"alice@{names.home}", "The concert")
world.advance("6 h")
world.queue("mx.megapost.example")

# %%
report = world.mailbox("dora").messages[-1].content.decode()
print(*report.splitlines()[:22], sep="\n")

# %% [markdown]
# A relay that is always on can take the mail meanwhile: a second MX with a *higher* number is tried
# when the first is silent (RFC 5321 §5.1). It keeps what it got and hands it on when the lights are
# back.
#
# Two traps. A backup that takes mail for *everybody* at the domain must bounce what nobody has, later,
# to senders who are often forged: **backscatter**. And a backup that gives up too early is none.

# %% [markdown]
# ## Exercise 11.4: A day without power
# **Make the relay the second MX of Alice's domain. It must take mail for Alice and keep it for a day at
# least; whom nobody knows, it must refuse at RCPT, for good. What Alice had sent just before must
# survive the day, too.**
#
# <details><summary>Hint</summary>
#
# `zone.add("@", "MX", "20 …")`, with a final dot. `remote_domains={…: {"allow_relay": True,
# "recipients": […]}}`. Two servers have an `expire` in `delivery`: look at both.
#
# </details>

# %% locked="begin-11.4"
task = lab.begin("11.4")
task

# %% answer="11.4"
zone = world.zone(task.zone)
### BEGIN SOLUTION
zone.add("@", "MX", f"20 {task.relay}.")
backup = {task.zone: {"allow_relay": True, "recipients": [task.user]}}
patience = {"expire": "5 days"}
world.configure(task.relay, remote_domains=backup, delivery=patience)
pages = world.configure(task.server, delivery=patience)
### END SOLUTION

# %% [markdown]
# The check pulls the plug, lets a day pass, and counts the letters.

# %% check="11.4" points=4
lab.check("11.4")

# %%
world.queue(names.relay)

# %% [markdown]
# ## Break it
# Somewhere between the flat and the relay a thief takes `STARTTLS` out of the answers, and waits for a
# password in clear.
#
# **Predict.** Alice's server has `tls = "verify"`. What becomes of her letter?
#
# *Your prediction:* …

# %%
box = world.add_rule("provider", at=0, action="strip-starttls", ports=587)
world.send("alice", "bob@bigmail.example", "Sealed")
world.advance("1 min")
world.queue(names.home_server)

# %% [markdown]
# It waits: a missing offer is a *temporary* failure, and so is a wrong certificate (RFC 3207 §4.1). Now
# comes an impatient administrator, and takes TLS and the login out, "because it hangs there".
#
# **Predict.** Is that better?
#
# *Your prediction:* …

# %%
host = {"host": names.relay, "port": 587, "tls": "none"}
pages = world.configure(names.home_server, delivery={"smart_host": host})
world.send("alice", "bob@bigmail.example", "In clear")
world.advance("1 min")
world.why("bob@bigmail.example")

# %% [markdown]
# A `5yz` is final (RFC 5321 §4.2.1): this letter is on its way back to Alice. And the thief has read
# the name of who wrote it. Without TLS he chooses what is lost; with `verify` he makes it *late*, and
# no more. So put back what stood there, and let the thief go home.

# %%
account = world.user(f"home@{names.relay_domain}")
login = {"user": account.address, "password": account.password, "tls": "verify"}
pages = world.configure(names.home_server, delivery={"smart_host": host | login})
world.remove_rule("provider", box)
world.send("alice", "bob@bigmail.example", "At last")
world.advance("30 min")
world.trace.messages[-1]

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `delivery.smart_host` | relay (5598 §2.2.2) | `relayhost` | Smart host | SMTP Relayer | Enable SMTP relay | connector |
# | its `user` | AUTH (4954) | `smtp_sasl_password_maps` | Outbound Security | Server requires authentication | Authentication | – |
# | its `tls` | STARTTLS (3207) | `smtp_tls_security_level` | TLS encryption | Connection security | Always use a secure connection (TLS) | connector: always use TLS |
# | `remote_domains` | – | `transport_maps` | Remote domain | Routes | – | connector for a domain |
# | `relay.networks` | – | `mynetworks` | Relay: Only the list below | IP Ranges | – | connector by address |
# | `masquerade` | – | `masquerade_domains` | Masquerade domain | – | – | – |

# %% [markdown]
# ## Summary
# You built a relay that asks for a login and hides the password; sent all mail of a server by port
# 587, so that no SYN to port 25 leaves the flat; told the DNS about it; gave one domain a way of its
# own; and lost nothing in a day without power.
#
# **Next**: 12, *Mail is down*, where all of this breaks at once. **To read**: RFC 6409 §3 (why two
# ports), RFC 7208 §8 (what receivers do with a *fail*).

# %%
lab.report()
