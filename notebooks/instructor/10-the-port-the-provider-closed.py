# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 10. The port the provider closed
#
# **You will** tell from a capture who is in the way of a letter, and prove it with the number of a
# packet; let the right things through a router with NAT, also on the night when its address changes;
# write the inbound rules of a PC that the whole internet can reach.
#
# **You need** notebooks 01 and 04; what an IP address and a port are.
#
# **Time** 60 minutes. **15 points** in three exercises. **To read** RFC 9293 §3.5, RFC 1812 §5.2.7.1,
# RFC 4787 §6, RFC 1034 §3.6, RFC 5068 §4.

# %% [markdown]
# Alice has set up a mail server on an old PC at home: mailboxes work, TLS works, the zone is written.
# She sends Bob a letter to celebrate. Bob waits. Nothing is refused, nothing comes back; the queue
# says *deferred*, and says it again. The hotline says: "Everything is fine at our end."
#
# It is not. Today you find out what a network does to mail before any server speaks. (In your world
# some names may be others; write `names.server`.)
#
# ```text
#  alice-pc ────┐                                                ┌── mx.bigmail.example  (Bob)
#  kitchen ─────┼─ home-router ── customers ── provider ══ ? ══ internet ── alice-phone, monitor
#  guest-tablet ┤     NAT                                        └── relay.cloud.example
#  mail.home ───┘
# ```

# %% locked="set-up"
from maillab.grading import open_lab

lab = open_lab("10")
world, names = lab.world, lab.names
names

# %%
world.topology()

# %% [markdown]
# ## Round 1: Silence
# **Predict.** Alice's server opens a connection to port 25 of Bob's. Somewhere on the way a rule says
# *drop*. How many packets does her server send, and after how many seconds does it give up?
#
# *Your prediction:* …

# %%
world.send("alice", f"bob@{names.big}", "It works!", "My own server. I am so proud.")
world.advance("3 min")
silent = world.trace.find_sessions(client=names.server, port=25)[0]
silent.ladder()

# %% [markdown]
# Seven SYNs, at 0, 1, 3, 7, 15, 31 and 63 seconds, and 127 seconds in all: TCP doubles its patience
# each time (RFC 9293 §3.8.1). For a program there is one word only, *timed out*, and it comes two
# minutes late. The letter waits in the queue for the next try (RFC 5321 §4.5.4.1).
#
# Who dropped it? The packets cannot say: silence has no sender. Only in a lab can one ask the network
# itself. Our code for this question is `maillab/world/explain.py`, that for the way of a packet
# `maillab/net/walk.py`.

# %%
world.explain(names.server, names.big_server, 25)

# %% [markdown]
# ## Round 2: Refused
# **Predict.** The provider becomes polite: instead of dropping the SYN it answers it with a RST, in
# the name of Bob's server. From which address does that RST come? After how much time?
#
# *Your prediction:* …


# %%
def knock(server, port, host=names.server):
    try:
        with world.console(host, server, port) as console:
            print(console.greeting)
    except OSError as error:
        print(error)


world.firewall("provider").clear()
world.add_preset("provider", "isp-rejects-25")
knock(names.big_server, 25)

# %%
capture = world.trace.capture(names.server)
rst = capture.find(f"{names.big_address} [RST")
print("time to live:", capture.dissect(rst.numbers[0]).find("time to live").value)
capture.listing(rst.numbers[0] - 2, rst.numbers[0])

# %% [markdown]
# *Connection refused*, at once (RFC 9293 §3.5.2). The RST bears the address of Bob's server, and yet
# that server never saw a SYN. Two traces give the forger away. Compare the times of SYN and RST: the
# answer is back too early, for Bob's server is 31 ms away. And its time to live is too high: it begins at 64, and every router on the way
# takes one (RFC 1812 §5.3.1).
#
# One router took one: Alice's own. So the RST was made by the next machine behind it. From Bob, behind
# two routers, packets arrive with 62.

# %% [markdown]
# ## Round 3: Prohibited
# **Predict.** A third way to say no is an ICMP message: "communication administratively prohibited".
# Who sends it, the server or a router? What will `knock` print?
#
# *Your prediction:* …

# %%
world.firewall("provider").clear()
rule = world.add_rule("provider", action="prohibit", direction="out", ports=25)
knock(names.big_server, 25)
world.trace.capture(names.server).find("ICMP")

# %% [markdown]
# This one is honest: the router speaks under its own address, and quotes the packet it did not pass on
# (RFC 1812 §5.2.7.1). Programs on Linux report it as *No route to host*, so the log of a mail server
# misleads, and the capture does not.

# %% [markdown]
# ## Round 4: Somebody else
# **Predict.** Now the provider redirects port 25 to a server of its own. The connection succeeds, from
# the right address. By what will you notice?
#
# *Your prediction:* …

# %%
world.firewall("provider").clear()
rule = world.add_preset("provider", "isp-redirects-25", "proxy.provider.example")
knock(names.big_server, 25)

# %% [markdown]
# In every packet stands the address of Bob's server. Only the **greeting** has another name
# (RFC 5321 §4.3.1): a server says who it is, and here somebody is too honest to lie. It would take
# Alice's letters, read them if it likes, and pass them on.
#
# A quieter kind of middlebox lets you through to the right server and only disturbs one word.

# %%
world.firewall("provider").clear()
rule = world.add_rule("provider", action="strip-starttls", ports=25)
with world.console(names.server, names.big_server, 25) as console:
    print(console.say("EHLO home"))

# %% [markdown]
# `XXXXXXXA` has as many letters as `STARTTLS`, so that no number in TCP has to change. The client
# believes that the server cannot encrypt, and goes on in the clear (RFC 3207 §6). What one does about
# that was the matter of notebook 07.
#
# | seen in the capture | is called | who speaks |
# |---|---|---|
# | SYNs, and nothing else | `drop` | nobody |
# | RST to a SYN | `reject` | somebody in the server's name |
# | ICMP prohibited | `prohibit` | a router |
# | a reply 5yz | `5xx` | the server itself |
# | 220 with another name | `redirect` | somebody else |
# | XXXXXXXA after EHLO | `strip` | the server, and a middlebox |

# %% [markdown]
# ## Exercise 10.1: Six captures
# In a forum, six customers of the same provider complain: "No letter goes out." Each tried the same
# server, `task.name` at `task.server`, port 25, and posted what the PC saw all evening. All six causes
# of the table occur.
#
# **Write `diagnose(capture)`, which returns the cause, in a word of the table, and the number of the
# packet that proves it.** The proof of `drop` is the last SYN.
#
# <details><summary>Hint</summary>
#
# `task.captures["ann"].listing(1, 12)` shows; `capture.listing().rows` has rows with `number`, `source`, `destination`, `protocol`, `info`.
# `capture.find("words").numbers` is shorter. An evening has other RSTs, ICMP messages and 5yz replies:
# which are about this server and port 25?
#
# </details>

# %% locked="begin-10.1"
task = lab.begin("10.1")
task


# %% answer="10.1"
def diagnose(capture):
    cause, number = ..., ...
    ### BEGIN SOLUTION
    rows = capture.listing().rows
    syns = [row.number for row in rows if "→ 25 [SYN]" in row.info]
    cause, number = "drop", syns[-1]
    for row in rows:
        came = row.source == task.server
        if row.protocol == "ICMP" and task.server in row.info:
            cause, number = "prohibit", row.number
        elif came and "[RST" in row.info:
            cause, number = "reject", row.number
        elif came and row.info.startswith("S: 220") and task.name not in row.info:
            cause, number = "redirect", row.number
        elif came and row.info.startswith("S: 5"):
            cause, number = "5xx", row.number
        elif came and "XXXXXXXA" in row.info:
            cause, number = "strip", row.number
    ### END SOLUTION
    return cause, number


for name, evening in task.captures.items():
    print(name, diagnose(evening))

# %% [markdown]
# The check knows what is the matter with each of the six, and lets your function read every evening
# again.

# %% check="10.1" points=6
lab.check("10.1", diagnose)

# %% [markdown]
# ## Round 5: And the way in?
# The provider went back to silence. Letters *out* have to wait for notebook 11; letters *in* are
# Alice's own affair. Her PC has the address 192.168.1.10, which is private: thousands of flats have it
# (RFC 1918 §3). Outside there is one address only, the router's.
#
# **Predict.** Bob's server connects to the router's address, port 25. Who answers?
#
# *Your prediction:* …

# %%
world.firewall("provider").clear()
rule = world.add_preset("provider", "isp-blocks-25")
world.explain(names.big_server, names.server, 25)

# %% [markdown]
# Nobody. On the way **out** NAT writes down who asked whom, and finds the way back in its table. Who
# comes uninvited stands in no table; the router has to be told: that is **port forwarding**.

# %%
world.forward("home-router", 25, names.server)
world.send("bob", f"alice@{names.domain}", "Is this you?")
letter = world.trace.find_sessions(client=names.big_server, port=25)[-1]
syn = f"{letter.client_address[1]} → 25 [SYN]"
world.trace.capture("home-router/outside").find(syn)

# %%
world.trace.capture("home-router/inside").find(syn)

# %% [markdown]
# The same packet on the two sides of the router: outside it is for the public address, inside for the
# PC. The source stays: Alice's server sees who really calls. Our code is `translated_in` in `maillab/net/gateway.py`.

# %% [markdown]
# ## Round 6: The hairpin
# **Predict.** At home, `alice-pc` connects to the server by its *public* name. The packet goes to the
# router, whose own address that is. Does it come back in, when the router was not told to?
#
# *Your prediction:* …

# %%
router = world.gateway("home-router")
router.hairpin = False
print(world.explain("alice-pc", names.server, 587).outcome.sees)
router.hairpin = True
world.explain("alice-pc", names.server, 587)

# %% [markdown]
# Turned back like a hairpin (RFC 4787 §6). Without it the telephone works everywhere but on the sofa,
# and one believes that the server is down. Note what the router does to the source: the server believes
# that the router itself is calling.

# %% [markdown]
# ## Round 7: Another address
# **Predict.** The monitor, far away, has just looked up the server's name. Then the provider gives the
# router another address, and Alice writes it into her zone at once. When will the monitor arrive?
#
# *Your prediction:* …

# %%
world.dig(names.server, host="monitor")

# %%
new = "203.0.113.250"
world.change_address("home-router", new)
world.zone(names.domain).replace("mail", "A", new)
knock(names.server, 25, host="monitor")

# %% [markdown]
# In up to twelve hours. The zone is right, and the monitor remembers: 43,200 seconds, the **TTL** of the
# DNS, counted from its own question (RFC 1034 §3.6). A TTL that you lower *now* does not reach what was
# remembered *before*. So lower it in time: at least one old TTL before the change.

# %% [markdown]
# ## Exercise 10.2: A good night
# The router got an update and has forgotten everything. And the provider writes: your address changes,
# see `task.change`. All day and all night the monitor will try port 25 by its name.
#
# **Forward what is needed, and nothing else: letters from other servers; the telephone sends (with
# STARTTLS, and with TLS from the first octet) and reads by IMAP with TLS. Turn the hairpin on. Then let
# `task.hours` pass so that half an hour after the change the monitor arrives, and ever since.**
#
# <details><summary>Hint</summary>
#
# A loop: `world.advance("5 min")`, compare `router.public_address` with the zone, and write when they
# differ. `zone.replace("mail", "A", address, ttl=300)` sets the TTL, too. Ports: RFC 8314 §3.
#
# </details>

# %% locked="begin-10.2"
task = lab.begin("10.2")
task

# %% answer="10.2"
router, zone = world.gateway(task.router), world.zone(task.zone)
### BEGIN SOLUTION
for port in (25, 465, 587, 993):
    world.forward(task.router, port, names.server)
router.hairpin = True
zone.replace("mail", "A", router.public_address, ttl=300)
for _ in range(task.hours * 12):
    world.advance("5 min")
    if zone.records("mail", "A") != [router.public_address]:
        zone.replace("mail", "A", router.public_address, ttl=300)
### END SOLUTION

# %% [markdown]
# The check tries the ports from outside and at home, and reads what the monitor met that night. What
# you wrote is a **dynamic DNS** client; routers have one built in. It writes only when something has
# changed: services block those who write every five minutes.

# %% check="10.2" points=5
lab.check("10.2")

# %% [markdown]
# ## Break it
# A cousin comes to help, finds port forwarding tiresome, and ticks *exposed host* (also called *DMZ*):
# every port leads to the PC. Everything works at once. So does everything else:

# %%
world.forward("home-router", range(1, 65536), names.server)
world.explain("guesser", names.server, 3389)

# %% [markdown]
# Port 3389 is the remote desktop. Today nobody listens there, and the RST that comes back tells the
# guesser that the way is free; the day Alice switches it on, a stranger may guess her password. A NAT
# keeps out what it knows no place for (RFC 4787 §5); now it knows one for everything. What remains is
# the PC's own firewall.
#
# **Predict.** Below, a rule that accepts port 25 is *added* to Windows' standard firewall. Will Bob's
# server get in?
#
# *Your prediction:* …

# %%
rule = world.add_preset(names.server, "windows-firewall-default")
late = world.add_rule(names.server, action="accept", direction="in", ports=25)
world.firewall(names.server)

# %%
print(world.explain(names.big_server, names.server, 25).outcome.sees)
world.remove_rule(names.server, late)
early = world.add_rule(names.server, action="accept", direction="in", ports=25, at=0)
print(world.explain(names.big_server, names.server, 25).outcome.sees)

# %% [markdown]
# **The first rule that fits decides**, and behind one that drops everything no rule is ever asked:
# `maillab/net/firewall.py`, ten lines. A rule has a `direction` (who opened the connection), a
# `protocol`, `ports` of the destination, and a `source`: an address or a prefix such as
# 192.168.1.0/24. What it leaves out, fits all.

# %% [markdown]
# ## Exercise 10.3: The firewall of the PC
# The cousin's box stays ticked. On Alice's list stands:
#
# - `task.mail`: everybody may
# - `task.home` (POP3, plain IMAP): the family, `task.family`; the guests' tablet is not family
# - `task.remote_desktop`: `task.alice_pc` only
# - `task.guessers` guess passwords: nothing from there, ever
# - nothing else, and no UDP; who calls from the PC itself, may
#
# **Write these rules.** Seven hosts will try.
#
# <details><summary>Hint</summary>
#
# With `at=0` a rule comes first, so write the one that must stand on top last. `action`, `direction`,
# `protocol`, `ports`, `source` are all you need. `world.firewall(names.server).text()` shows the table.
#
# </details>

# %% locked="begin-10.3"
task = lab.begin("10.3")
task

# %% answer="10.3"
tcp_in = {"action": "accept", "direction": "in", "protocol": "tcp", "at": 0}
### BEGIN SOLUTION
pc = names.server
world.add_rule(pc, ports=task.mail, **tcp_in)
world.add_rule(pc, ports=task.home, source=task.family, **tcp_in)
world.add_rule(pc, ports=task.remote_desktop, source=task.alice_pc, **tcp_in)
top = world.add_rule(pc, action="drop", direction="in", source=task.guessers, at=0)
### END SOLUTION

# %% [markdown]
# Look at your table, from the top down, as the firewall does: `world.firewall(names.server)`. The check
# asks for some 200 connections what would become of them.

# %% check="10.3" points=4
lab.check("10.3")

# %% [markdown]
# ## Round 8: And out?
# Letters come in. None goes out: port 25 is still closed, and the provider has a reason. The guests'
# tablet may be a bot that sends spam, and nobody but the provider stands in its way. So providers close
# 25, and should leave 587 open, where one has to log in (RFC 5068 §4).
#
# **Predict.** Then let Alice's server deliver at port 587 of Bob's. What will it be told?
#
# *Your prediction:* …

# %%
with world.console(names.server, names.big_server, 587) as console:
    console.say("EHLO home")
    print(console.say(f"MAIL FROM:<alice@{names.domain}>"))
world.explain(names.server, "relay.cloud.example", 587)

# %% [markdown]
# Connected, and refused: 587 is for the provider's *own* users (RFC 6409 §4.3). Alice needs somebody in
# the internet who knows her, takes her letters at 587 after a login, and carries them to port 25 of
# others. The picture shows that the way to such a relay is free.

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | `drop` | no answer | `Connection timed out` | remote server did not respond | – | – | 4.4.315 |
# | `reject` | RST | `Connection refused` | – | – | – | 4.4.316 |
# | `5xx`, a listed address | 554 5.7.1 | `blocked using` | – | DNS blacklists | – | 5.7.606 |
# | `forward` | port mapping | router | router | router | router configuration (UPnP) | – |
# | new address | dynamic DNS | `ddclient` | router | router | DDNS | – |
# | inbound rule | – | nftables | Windows Firewall | Windows Firewall | Control Panel, Security, Firewall | – |
# | relay | 5598 §2.2.2 | `relayhost` | Smart host | SMTP Relayer | Enable SMTP relay | connector |

# %% [markdown]
# ## Summary
# You told six troubles apart by what came back: nothing, a RST, ICMP, a reply, the wrong greeting, a
# word crossed out. You forwarded four ports, turned a hairpin, and lived through a change of address
# because the TTL was low in time. Your firewall lets in who should, because the first rule decides.
#
# **Port 25 stays closed.** So letters need a relay: **next** is 11, *The smart host*. **To read**:
# RFC 5068 on who may send from where; it explains the provider.

# %%
lab.report()
