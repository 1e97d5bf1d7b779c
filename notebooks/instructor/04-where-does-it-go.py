# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 04. Where does it go?
#
# **You will** predict every question and every connection of a delivery; read MX, A, PTR and NS
# records; give a domain a mailbox; outwait a stale denial; find and mend six broken zones.
#
# **You need** notebooks 00 and 01, and Python: tuples, dicts, functions.
#
# **Time** 60 minutes. **14 points** in three exercises. **To read** RFC 1034 §3.6 and §5.3.3,
# RFC 5321 §5, RFC 2308 §5.

# %% [markdown]
# A letter says `bob@bigmail.example`. It does not say which computer that is. Alice's server has to
# find out, each time, by asking strangers who send it on to other strangers. When that goes wrong,
# mail is lost, and nobody's mail server is to blame.
#
# Today you sit at a desk in Alice's office. In the afternoon the hosting co-operative calls: Robin
# has a new domain, and six customers have no mail.
#
# ```text
#                     a.root-servers.example      knows who knows "example"
#                             │
#                       a.nic.example             the registry: knows who serves which domain
#          ┌──────────────────┼───────────────────────┐
#     ns of the office   ns.bigmail.example     ns.coop.example    serves its customers' zones
#     mail of the office mx.bigmail.example     mx.coop.example    takes their mail
#     desk (you)         resolver.bigmail.example
# ```

# %% locked="set-up"
from maillab.grading import open_lab

lab = open_lab("04")
world, names = lab.world, lab.names
names

# %% [markdown]
# ## Round 1: Who knows?
# Domains and addresses differ from student to student, and your notebook may be run again in a world
# where they are others: write `names.server` and `task.domain`, never what they stand for.
#
# The mail server of the office has just been switched on. It knows one address by heart: that of the
# root. Alice writes to Bob.
#
# **Predict.** How many questions will it ask before the first connection to Bob's server, and to whom
# will the first one go?
#
# *Your prediction:* …

# %%
world.send("alice", f"bob@{names.provider}", "Tea", "At four?")
world.trace.dns_walk(names.server)

# %%
world.trace.ladder(names.server)

# %% [markdown]
# The root does not know Bob's domain, but it knows who serves `example`: a **referral**, with the
# address of that server as **glue** (RFC 1034 §4.2.1). The registry refers on, and the third server
# answers: mail for this domain goes to the host `mx`. Then come two more questions for the addresses
# of that host: A (IPv4), which it has, and AAAA (IPv6, RFC 3596 §2), which it has not.
#
# The ladder has the connections, too: Alice's comes first, the one to port 25 last. Before it knows an
# address, a server has nothing to connect to. The walk is a loop of some fifteen lines: `_walk` in
# `maillab/dns/resolver.py`.

# %% [markdown]
# ## Round 2: What is remembered
# **Predict.** Alice writes again. How many of the five questions are asked this time?
#
# *Your prediction:* …

# %%
world.send("alice", f"bob@{names.provider}", "Tea again", "At five?")
world.trace.dns_walk(names.server)

# %%
world.resolver(names.server).cache()

# %% [markdown]
# None: the last three rows of the walk are new, and came from the **cache**. It keeps three kinds of
# things (RFC 1034 §5.3.3):
#
# * answers, each for a name *and* a type, as long as their TTL says;
# * denials: there is no AAAA record, for five minutes (RFC 2308 §5);
# * delegations: who serves which zone, here for a day.
#
# What merely stood beside an answer, such as the address of a host in an MX answer, is not kept: only
# what was asked for is believed (RFC 2181 §5.4.1).
#
# **Predict.** What of that is left after two hours? Where will the next walk begin?
#
# *Your prediction:* …

# %%
world.advance("2 h")
world.resolver(names.server).cache()

# %% [markdown]
# The records are gone, the delegations are not. The next question goes straight to Bob's name
# server: nobody troubles the root twice a day.

# %% [markdown]
# ## Round 3: First and second choice
# The hedgehog rescue has moved to another server. Its MX record still names the old one, which is
# off, with preference 10, and the new one with 20.
#
# **Predict.** Which of them is tried first? What is asked about the second one, and when?
#
# *Your prediction:* …

# %%
mx = [f"20 {names.exchanger}.", f"10 old.{names.coop}."]
world.zone(names.rescue).replace("@", "MX", *mx)
world.send("alice", f"hattie@{names.rescue}", "Hedgehogs", "How many tonight?")

# %%
world.trace.messages[-1]

# %% [markdown]
# The lowest **preference** comes first; it is a rank, no share (RFC 5321 §5.1). The second host is
# looked up only when its turn comes, and tried only if the first one gave no answer: the letter
# arrived, some seconds late. Hosts with equal numbers are tried in random order.
#
# Our code for this is `mail_exchangers` in `maillab/agents/routing.py`, 15 lines long.

# %% [markdown]
# ## Round 4: No MX record at all
# A shop has an address and no MX record.
#
# **Predict.** Does a letter to `sales` at the shop arrive? What does the DNS say to MX: that there is no such name?
#
# *Your prediction:* …

# %%
world.send("alice", f"sales@{names.shop}", "An order", "Six teapots, please.")
world.trace.messages[-1].describe()

# %%
world.dig(names.shop, "MX")

# %% [markdown]
# `NOERROR` without an answer means **NODATA**: the name exists, and has no record of that type. Then
# the domain itself is the mail server, as if it had an MX record for itself (RFC 5321 §5.1). The
# letter arrived, at an address that was perhaps meant for a web site.
#
# **NXDOMAIN** is another thing: no record of any type. That letter comes back at once.

# %% [markdown]
# ## Exercise 4.1: Predict a delivery
# Alice has written to `task.letter_before`. Then `task.switched_off` lost its power. Her next letter goes
# to `task.recipient`.
#
# **Put into `plan` every step that her mail server will take, in order.** Three texts for each:
#
# | step | third text |
# |---|---|
# | `("MX", domain, …)` | who answers: a host name, or `"cache"` |
# | `("A", host, …)`, `("AAAA", host, …)` | the same |
# | `("TCP", host, …)` | what becomes of it: `"open"` or `"timeout"` |
#
# Ask from the desk as much as you like: it has a memory of its own. The check sends the letter, and
# compares (RFC 5321 §5.1).
#
# <details><summary>Hint</summary>
#
# `world.dig(task.domain, "MX").records` has texts: sort them as numbers. The cache of `names.server`
# tells what needs no question, and which zone is known.
#
# </details>

# %% locked="begin-4.1"
task = lab.begin("4.1")
task

# %%
world.resolver(names.server).cache()

# %% [markdown]
# This is what Alice's server knows now. Walk down in your mind.

# %% answer="4.1"
plan = []
### BEGIN SOLUTION
records = [record.split() for record in world.dig(task.domain, "MX").records]
ranked = sorted((int(rank), host.rstrip(".")) for rank, host in records)
best, second = (host for _, host in ranked)
plan = [
    ("MX", task.domain, names.registry),
    ("MX", task.domain, names.nameserver),
    ("A", best, "cache"),
    ("AAAA", best, "cache"),
    ("TCP", best, "timeout"),
    ("A", second, names.nameserver),
    ("AAAA", second, names.nameserver),
    ("TCP", second, "open"),
]
### END SOLUTION

# %% check="4.1" points=3
lab.check("4.1", plan)

# %% [markdown]
# ## Round 5: From the address to the name
# That is what a sending server does in the first second of each delivery: it believes the DNS. Receivers
# like to know who calls. They see an address, and ask what it is called.
#
# **Predict.** Who may say which name belongs to an address: the owner of the name, or of the address?
#
# *Your prediction:* …

# %%
world.dig(world.host(names.exchanger).addresses[0], "PTR")

# %% [markdown]
# The numbers of the address, backwards, below `in-addr.arpa` (RFC 1035 §3.5): a tree of its own, which
# follows the owners of *addresses*. Anybody can write any name there. So receivers ask forward again:
# does that name have this address? Large providers refuse mail from servers for which the circle does
# not close (RFC 1912 §2.1 wants it closed).

# %% [markdown]
# ## Round 6: How long is a no?
# Robin's domain is registered, but nobody serves it yet.
#
# **Predict.** Somebody asks for it today, is told *no such name*, and asks again tomorrow. Is the second
# answer fresh? Who decides how long a denial is kept?
#
# *Your prediction:* …

# %%
world.dig(names.domain, "MX")

# %% [markdown]
# A denial brings the SOA record of the zone that made it; the smaller one of its TTL and its last
# number is the life of the denial, here 900 seconds (RFC 2308 §5). It belongs to the zone *above*: the
# registry decided, not Robin. Whoever asks too early keeps the no for that long, whatever is put right
# meanwhile.

# %% [markdown]
# ## Exercise 4.2: A mailbox for Robin
# Robin's mail server runs, the name server is empty, and Bob has written too early.
#
# **Write the zone, let `task.nameserver` serve it, have it delegated, give the mail server a reverse name.
# Then let Bob write again, with the subject of the task, so that the letter arrives.** Two hosts, one
# MX record, no tricks with other people's caches.
#
# <details><summary>Hint</summary>
#
# `world.serve_zone(host, origin, text)`; `world.delegate(domain, {server: [address]})`; the co-operative
# lets you edit `world.zone(names.reverse)`. A zone file begins with `$TTL`, a SOA and an NS record:
# `print(world.zone(names.coop).text())`. Names without a final dot are below the origin;
# a line that begins with a blank is about the name of the line above.
#
# </details>

# %% locked="begin-4.2"
task = lab.begin("4.2")
task

# %%
world.why(world.trace.of_kind("bounced")[-1])

# %% [markdown]
# Bob's letter did not wait: a domain that does not exist is a permanent failure (RFC 5321 §5.1). And
# `names.resolver`, which was asked, keeps the no in mind: `world.resolver(…).cache()` shows how long.
#
# Mind the glue: your name server has a name *in* the domain that it serves. Without its address in the
# zone above, one would have to ask it where it is (RFC 1034 §4.2.1).
#
# The check asks your server, walks down from the root, walks back from the address, and reads in the
# trace when Bob's resolver changed its mind, and why. What it finds of your zone,
# `world.dns_walk(task.domain, "MX")` shows too.

# %% answer="4.2"
zone = """
$TTL 3600
"""
### BEGIN SOLUTION
zone = f"""
$TTL 3600
@     SOA  ns hostmaster 2026010501 7200 3600 1209600 300
      NS   ns
      MX   10 mail
ns    A    {task.nameserver_address}
mail  A    {task.exchanger_address}
"""
world.serve_zone(task.nameserver, task.domain, zone)
world.delegate(task.domain, {task.nameserver: [task.nameserver_address]})
number = task.exchanger_address.split(".")[-1]
world.zone(names.reverse).add(number, "PTR", f"{task.exchanger}.")
while world.dig(task.domain, "MX", host=names.sender).status == "NXDOMAIN":
    world.advance("1 min")
world.send("bob", task.recipient, task.subject, "Welcome to the net!")
### END SOLUTION

# %% check="4.2" points=5
lab.check("4.2")

# %% [markdown]
# ## Round 7: The words of a dig
# To find a fault, ask one server at a time, and do not let it ask others (`recurse=False`). What does
# the co-operative's server say about a domain that is not its own?
#
# **Predict.** Nothing, a referral, or a refusal?
#
# *Your prediction:* …

# %%
world.dig(names.provider, "MX", server=names.nameserver, recurse=False)

# %% [markdown]
# | status | means | the letter |
# |---|---|---|
# | `NXDOMAIN` of the domain | no such name | comes back |
# | `NODATA` | the name has no such record | A record, else back |
# | `REFUSED`, `lame` | not my zone, though others think so | another server is asked |
# | `SERVFAIL`, `timeout` | no server gave a useful answer | waits |
#
# After `SERVFAIL` or `timeout` nobody knows whether it will be better tomorrow: a failure for now, and
# the letter stays in the queue (RFC 5321 §4.5.4.1). So it does when an MX record names a host without an address:
# somebody will notice. That the *domain* does not exist is an answer, and final.

# %% [markdown]
# ## Exercise 4.3: Six broken zones
# Bob has written to `info` at each of six customers; no letter arrived. Each zone has another fault:
#
# | word | fault |
# |---|---|
# | `alias` | the MX record names a CNAME |
# | `address` | the MX record names an address |
# | `dot` | a final dot is missing |
# | `lame` | delegated to a server that knows nothing of it (RFC 1912 §2.8) |
# | `null` | the MX record says: no mail at all |
# | `ttl` | remembered for five weeks, and out of date |
#
# **Write `diagnose(domain)`, which asks the DNS and returns one of these words. Then repair all six.**
# Their mail lies at `task.exchanger`; no record of theirs may live longer than a day.

# %% [markdown]
# <details><summary>Hint</summary>
#
# `dig(…)` has `status`, `records`, `aliases` and `ttl`. `world.zone(domain).replace("@", "MX", "10 mail")`
# edits, `world.delegate` moves. In another world each fault sits elsewhere: repair what `diagnose` says.
# Your desk remembers what it asked: `world.resolver("desk").flush()` after a repair.
#
# </details>

# %% locked="begin-4.3"
task = lab.begin("4.3")
task

# %%
world.queue(names.sender)

# %% [markdown]
# Some letters came back, some still wait. Which fault does what? `world.why("info@…")` with the name
# of a customer tells the story of one letter.
#
# Each fault is worth a point: when you found its zone, and a letter from the office, which has
# forgotten everything, arrives there.


# %% answer="4.3"
def diagnose(domain):
    ### BEGIN SOLUTION
    mx = world.dig(domain, "MX")
    if mx.status != "NOERROR":
        return "lame"
    host = mx.records[0].split()[1].rstrip(".")
    if host == "":
        return "null"
    if host[0].isdigit():
        return "address"
    if host.endswith(f"{domain}.{domain}"):
        return "dot"
    return "alias" if world.dig(host, "A").aliases else "ttl"
    ### END SOLUTION
    return ...


found = {domain: diagnose(domain) for domain in task.domains}
### BEGIN SOLUTION
for domain, fault in found.items():
    zone = world.zone(domain)
    if fault == "lame":
        world.delegate(domain, {task.nameserver: []})
    elif fault == "ttl":
        zone.replace("mail", "A", task.exchanger_address, ttl=3600)
    elif fault == "alias":
        zone.replace("@", "MX", f"10 {task.exchanger}.")
    else:
        zone.replace("@", "MX", "10 mail")
### END SOLUTION
sorted(found.values(), key=str)

# %% check="4.3" points=6
lab.check("4.3", found)

# %% [markdown]
# All mended, for everybody? Bob's resolver asked before the repair.
#
# **Predict.** One old record it will not forget before next week. Which one, and why not for five weeks?
#
# *Your prediction:* …

# %%
[row for row in world.resolver(names.resolver).cache().rows if row.ttl > 86400]

# %% [markdown]
# The old address, for seven days: no resolver of ours keeps anything longer (RFC 8767 §4), others
# might. A TTL is a promise about the future: *this will be true for five weeks*. Before a move, lower
# it; wait until the old TTL has passed; then move; then raise it again.

# %% [markdown]
# ## Break it
# Whoever owns a domain may write into its MX record anything. Mallory has got hold of the
# hedgehogs' zone, and names *our own server* there.
#
# **Predict.** Alice writes to the hedgehogs. Does the letter go round in circles for ever?
#
# *Your prediction:* …

# %%
world.zone(names.rescue).replace("@", "MX", f"10 {names.server}.")
world.resolver(names.server).flush()
world.send("alice", f"hattie@{names.rescue}", "Round and round", "Hello?")

# %%
world.why(world.trace.of_kind("bounced")[-1])

# %% [markdown]
# The rule that stops it: a server strikes itself from the list, and every host that is not better than
# itself (RFC 5321 §5.1). Nothing is left, so the letter comes back: *best exchanger is itself, which has
# no such domain*. `mail_exchangers` compares names, `candidates` addresses, both in
# `maillab/agents/routing.py`. And now put it right:

# %%
world.zone(names.rescue).replace("@", "MX", f"10 {names.exchanger}.")
world.resolver(names.server).flush()
world.send("alice", f"hattie@{names.rescue}", "Straight on", "Hello!")

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | MX look-up | mail exchanger | `smtp` transport | DNS delivery | direct delivery | – | outbound |
# | resolver | recursive server | `resolv.conf` | external DNS server | Windows DNS | DNS Server package | hidden |
# | back to myself | loop | `mail for … loops back to myself` | 5.3.5 | – | as Postfix | 5.4.14 |
# | no such domain | 5.1.2 | `Host not found` | 5.4.0 | `No mail servers appear to exists` | as Postfix | 5.4.310 |
# | zone, PTR | master file | BIND's files | DNS Manager | at the hoster | DNS Server package | Domains page; no PTR |

# %% [markdown]
# ## Summary
# You predicted a delivery: MX, A, AAAA, connection, and what the cache saves. You built a zone with A,
# MX and NS records, glue and a reverse name, and waited until a denial was over: next time, first the
# zone, then the delegation, and only then tell people the address. You told six faults apart by what
# `dig` says, and saw that a TTL outlives its repair.
#
# **Next**: 05, *Whose mailbox is it?*, inside the server that the MX record names. **To read**:
# RFC 5321 §5 in full, two pages; RFC 1912, the mistakes that everybody makes.

# %%
lab.report()
