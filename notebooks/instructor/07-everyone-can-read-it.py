# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 07. Everyone can read it
#
# **You will** read passwords out of a capture, and know which cannot be read; log in by three
# protocols so that nobody can; make a server wait rather than whisper when somebody takes its
# encryption away; run an authority of your own, and survive the day its certificates end.
#
# **You need** notebook 01, and what a packet is (notebook 00).
#
# **Time** 60 minutes. **15 points** in four exercises. **To read** RFC 3207, RFC 8314 §3, RFC 8461 §3,
# RFC 5280 §4.1.

# %% [markdown]
# Alice works in a café today. Its network belongs to nobody in particular, and everybody is in it. At
# the next table sits Eve, with a laptop, headphones and much time.
#
# Between the café and the company's server stand a router and a carrier. Each of them passes on
# every octet; each of them could read it. The server is old: it takes passwords as they come, and
# nobody ever complained.
#
# ```text
#  Alice's laptop ─┐
#  a phone ────────┼─ cafe-router ══ internet ══ carrier ── mail.company
#  Eve's laptop ───┘                    ║
#                                       ╚═══ mx.north, mx.south, mx.east
#                                            mx.attic (never heard of TLS)
# ```
#
# In your world some domains have other names; write `names.server`, never the name itself.

# %% locked="set-up"
import base64

from maillab.grading import open_lab

lab = open_lab("07")
world, names = lab.world, lab.names
names

# %%
world.topology()

# %% [markdown]
# ## Round 1: What Eve sees
# Alice fetches her mail by POP3, as her old mail program does.
#
# **Predict.** Our views print `********` for a password. What stands in the packet itself?
#
# *Your prediction:* …

# %%
with world.console("laptop", names.server, 110) as console:
    console.say("USER alice")
    print(console.say(f"PASS {world.user('alice').password}"))
    console.say("QUIT")

# %%
capture = world.trace.capture("cafe-router/inside")
capture.find("PASS")

# %% [markdown]
# The list masks the secret, so that you may show your screen. The octets do not. Here is the
# conversation as the router passed it on:

# %%
[session] = [s for s in capture.sessions if s.port == 110]
session.wire("C")

# %% [markdown]
# TCP carries octets as they are, and whoever stands on the way has them all: "Use of the PASS command
# sends passwords in the clear over the network" (RFC 1939 §13). Every box on the way is a reader: the
# table beside you, the router, the carrier.

# %% [markdown]
# ## Round 2: Does base64 hide it?
# **Predict.** `AUTH PLAIN` sends something like `AGFsaWNl…`. Is that encrypted?
#
# *Your prediction:* …

# %%
line = base64.b64encode(b"\0alice\0rabbit-hole").decode()
print(line, "→", base64.b64decode(line).split(b"\0"))

# %% [markdown]
# Base64 has no key; it only writes octets as letters (RFC 4648 §4). PLAIN is *as plain as its name*
# (RFC 4616 §2): who acts, who logs in, the password, with a zero octet between them. `AUTH LOGIN`
# says the same in two lines: first the name, then the password, each in base64.
#
# CRAM-MD5 is another matter: the server sends a challenge, and the client sends a digest of challenge
# and password (RFC 2195 §2). Eve sees both and gets the password from neither, unless it is a word
# that she can guess.

# %% [markdown]
# ## Exercise 7.1: The passwords of the café
# Six travellers log in, each in another way.
#
# **Read every password that can be read in the capture, and put it into `found`, by the name of the
# traveller. Leave out those that cannot be read.**
#
# <details><summary>Hint</summary>
#
# `for session in capture.sessions[…:]: print(session.port, session.wire("C"))` shows what each client
# sent. A literal of IMAP, `{13}`, announces that the next 13 octets are the text (RFC 9051 §4.3).
#
# </details>

# %% locked="begin-7.1"
task = lab.begin("7.1")
task

# %% answer="7.1"
capture = world.trace.capture(task.place)
found = {}
### BEGIN SOLUTION
for session in capture.sessions[1:]:
    rows = session.wire("C").split(b"\r\n")
    if rows[0].startswith(b"USER"):
        found[rows[0].split()[1].decode()] = rows[1].split()[1].decode()
    if b" LOGIN " in rows[0]:
        found[rows[0].split()[2].decode()] = rows[1].decode()
    if len(rows) > 1 and rows[1].startswith(b"AUTH PLAIN"):
        _, name, word = base64.b64decode(rows[1].split()[2]).decode().split("\0")
        found[name] = word
    if len(rows) > 1 and rows[1] == b"AUTH LOGIN":
        name, word = (base64.b64decode(row).decode() for row in rows[2:4])
        found[name] = word
### END SOLUTION

# %% [markdown]
# The check knows how each of the six logged in.

# %% check="7.1" points=3
lab.check("7.1", found)

# %% [markdown]
# ## Round 3: The envelope gets a lock
# There are two ways to TLS. With **STARTTLS** one begins in clear and asks: the server agrees, then
# comes the handshake (RFC 3207 §4). With **implicit TLS** the handshake comes first, at a port of its
# own (RFC 8314 §3).
#
# **Predict.** What of an SMTP session with STARTTLS can Eve still read?
#
# *Your prediction:* …

# %%
with world.console("laptop", names.server, 587) as console:
    console.say("EHLO laptop")
    print(console.say("STARTTLS"))
    console.start_tls()
    console.say("EHLO laptop", "QUIT")
session = world.trace.session(console.id)
print(session.wire("C")[:26])

# %%
session.ladder()

# %% [markdown]
# She sees who talks to whom, when and how much; in the handshake even the server's *name*. She sees
# `EHLO laptop` and `STARTTLS`. Then come records of TLS (`\x16\x03\x01`), and she has nothing.
#
# | | SMTP | POP3 | IMAP |
# |---|---|---|---|
# | STARTTLS | 587, `STARTTLS` | 110, `STLS` | 143, `a STARTTLS` |
# | implicit | 465 | 995 | 993 |
#
# After the handshake an SMTP client says `EHLO` once more: what was heard before could have been
# forged (RFC 3207 §4.2).

# %% [markdown]
# ## Exercise 7.2: Six locked doors
# **Log in as Alice from her laptop: by SMTP, POP3 and IMAP, each once with STARTTLS and once with
# implicit TLS. Her password must be in no octet that anybody could capture.**
#
# <details><summary>Hint</summary>
#
# At 465, 993 and 995: `console = world.console(task.host, task.server, 993)`, then at once
# `console.start_tls()`, then log in. At the others first say the command, see the server agree.
# `f"AUTH PLAIN {line}"` wants base64 of `\0user\0password`.
#
# </details>

# %% locked="begin-7.2"
task = lab.begin("7.2")
task


# %% answer="7.2"
def log_in(port, before, login):
    """Say `before` in clear, then `login` inside TLS; the last reply."""
    ### BEGIN SOLUTION
    with world.console(task.host, task.server, port) as console:
        for line in before:
            console.say(line)
        console.start_tls()
        return [console.say(line) for line in login][-1]
    ### END SOLUTION


### BEGIN SOLUTION
plain = base64.b64encode(f"\0{task.user}\0{task.password}".encode()).decode()
smtp = ["EHLO laptop", f"AUTH PLAIN {plain}"]
pop3 = [f"USER {task.user}", f"PASS {task.password}"]
imap = [f"a LOGIN {task.user} {task.password}"]
for port, login in {465: smtp, 995: pop3, 993: imap}.items():
    log_in(port, [], login)
log_in(587, ["EHLO laptop", "STARTTLS"], smtp)
log_in(110, ["STLS"], pop3)
reply = log_in(143, ["b STARTTLS"], imap)
### END SOLUTION

# %% [markdown]
# The check searches what was captured at the laptop, at the router and at the server, for the
# password and for its base64.

# %% check="7.2" points=4
lab.check("7.2")

# %% [markdown]
# ## Round 4: The box that takes the lock away
# The offer `250-STARTTLS` itself is sent in clear. Whoever can change octets on the way can take it
# out. Such boxes are sold; one stands at the carrier from now on.
#
# **Predict.** The company's server sends a letter to Nora. It uses TLS *if it is offered*. What does
# it do?
#
# *Your prediction:* …

# %%
box = world.add_rule("carrier", action="strip-starttls", ports=25)
world.send("bob", f"nora@{names.north}", "The contract")
world.advance("1 min")
session = world.trace.find_sessions(server=f"mx.{names.north}")[-1]

world.remove_rule("carrier", box)
session.ladder()

# %%
session.hints()

# %% [markdown]
# Where the server had said `STARTTLS`, `XXXXXXXA` arrived, so the client found no offer. It sent the
# contract in clear and reported success. *Opportunistic* TLS (RFC 7435 §3) protects from
# who listens, and not from who changes octets.

# %% [markdown]
# ## Round 5: Then insist!
# With `tls = "verify"` a server sends inside TLS, to the right name, or says `QUIT` (RFC 3207 §4.1).
#
# **Predict.** The box is back, and the company's server insists, with everybody. Bob writes to Nora,
# and to Ada, whose server in the attic never heard of TLS. A minute later the box is gone. What
# becomes of the two letters?
#
# *Your prediction:* …

# %%
pages = world.configure(names.server, delivery={"tls": "verify"})
box = world.add_rule("carrier", action="strip-starttls", ports=25)
world.send("bob", f"nora@{names.north}", "Insisting")
world.send("bob", "ada@attic.example", "Insisting")
world.advance("1 min")
world.why(f"nora@{names.north}")

# %%
world.remove_rule("carrier", box)
world.advance("30 min")
world.queue(names.server)

# %% [markdown]
# A missing offer is a *temporary* failure (RFC 3207 §4.1). Nora's letter waited, and left inside TLS
# when the box was gone: late, and unread. Ada's letter waits on, and will come back in five days. To
# insist with everybody is no cure.
#
# ## Round 6: Ask the receiver
# So the *receiver* must say what it wants, where a box at port 25 cannot cross it out.
#
# **Predict.** Where could that be?
#
# *Your prediction:* …

# %%
pages = world.configure(names.server, delivery={"tls": "may"})
zone = world.zone(names.domain)
zone.add("_mta-sts", "TXT", '"v=STSv1; id=20260105;"')
world.dig(f"_mta-sts.{names.domain}", "TXT", host=names.server)

# %% [markdown]
# In the DNS. **MTA-STS**: this record says *I have a policy*; the policy stands on a web page with a
# certificate, and a sender remembers it for weeks (RFC 8461 §3). **DANE** puts a fingerprint of the
# certificate into the DNS, signed (RFC 7672 §2). Domains without a policy answer NXDOMAIN.
#
# Our server does not read policies by itself. You do that now, and write what follows from them into
# its `remote_domains`: settings for one domain, which go before those for all.

# %% [markdown]
# ## Exercise 7.3: Wait rather than whisper
# **Find out which of `task.domains` publish an MTA-STS record, and let the company's server insist on
# TLS with those, and with those only.** When the box is there, their mail must wait; when it is gone,
# it must go out by TLS. All other mail goes out as before.
#
# <details><summary>Hint</summary>
#
# `str(world.dig(…))` is text: look for `STSv1`. `world.configure(task.server,
# remote_domains={"x.example": {"tls": "verify"}, …})`.
#
# </details>

# %% locked="begin-7.3"
task = lab.begin("7.3")
task

# %% answer="7.3"
strict = {}
### BEGIN SOLUTION
for domain in task.domains:
    answer = world.dig(f"_mta-sts.{domain}", "TXT", host=task.server)
    if "STSv1" in str(answer):
        strict[domain] = {"tls": "verify"}
pages = world.configure(task.server, remote_domains=strict)
### END SOLUTION

# %% [markdown]
# The check switches the box on, sends a letter to each domain, waits, and switches it off.

# %% check="7.3" points=4
lab.check("7.3")

# %% [markdown]
# ## Round 7: Who says that this is the server?
# Encryption with a stranger helps nobody: Eve could hold a lock of her own. A **certificate** binds a
# key to names, and an **authority** signs it. A client asks three things (RFC 5280 §6.1): do I trust
# who signed, is it *this* name (RFC 9525 §6), does it hold *today*?
#
# **Predict.** The certificate below is replaced by one for a day. What happens tomorrow?
#
# *Your prediction:* …

# %%
world.certificate(names.server)


# %%
def look(host, name):
    """Connect to port 993, and say what came of the handshake."""
    console = world.console(host, name, 993)
    try:
        console.start_tls()
        return "right"
    except OSError as error:
        return error.verify_message
    finally:
        console.close()


# %% [markdown]
# The clock of our world is ours, so tomorrow is one line away.

# %%
world.issue_certificate(names.server, days=1)
print(look("laptop", names.server))
world.advance("2 days")
print(look("laptop", names.server))

# %% [markdown]
# The server runs, the mail is there, and nobody gets in: the commonest outage of mail servers. The
# cure is a renewal *before* the end, by a machine.

# %% [markdown]
# ## Exercise 7.4: An authority of your own
# **Make an authority with the name of the task, and let it sign a certificate for 90 days and both
# names. Let the laptop see, with `look`: an authority that it does not know; a name that does not
# stand in the certificate; a certificate that has expired, 91 days later. Then renew it. At the end all
# must be right.**
#
# <details><summary>Hint</summary>
#
# `world.new_authority(name)`, `world.issue_certificate(server, *names, days=…, by=…)`,
# `world.trust(host, authority)`. Every name of the company's zone leads to the server, `pop3.…` too.
#
# </details>

# %% locked="begin-7.4"
task = lab.begin("7.4")
task

# %% answer="7.4"
ours = world.new_authority(task.authority)
### BEGIN SOLUTION
world.issue_certificate(task.server, *task.names, days=90, by=ours)
print(look(task.host, task.server))
world.trust(task.host, ours)
print(look(task.host, task.server))
print(look(task.host, f"pop3.{names.domain}"))
world.advance("91 days")
print(look(task.host, task.server))
world.issue_certificate(task.server, *task.names, days=90, by=ours)
print(look(task.host, task.server))
### END SOLUTION

# %% [markdown]
# The check reads every handshake of the laptop with port 993, as the client saw it.

# %% check="7.4" points=4
lab.check("7.4")

# %% [markdown]
# ## Break it
# Eve makes an authority, too, and talks Bob into trusting it on his phone ("for the café's free
# Wi-Fi"). With it she signs a certificate for a name that is not hers. (The real server shows it here;
# in the café it would be a box of hers.) A client trusts every authority in its list for *every* name
# (RFC 5280 §6.1).
#
# **Predict.** What can Eve do from now on, and who notices?
#
# *Your prediction:* …

# %%
eve = world.new_authority("Free Wi-Fi")
world.issue_certificate(names.server, names.server, by=eve)
print(look("phone", names.server))
world.trust("phone", eve)
print(look("phone", names.server))

# %% [markdown]
# Whoever is in your list of authorities may be *every* server. Nobody notices: the lock is closed. So
# look before you trust. Take it back, and let the server show its own certificate again:

# %%
world.distrust("phone")
print(look("phone", names.server))
world.issue_certificate(names.server, names.server, days=90)
print(look("phone", names.server))

# %% [markdown]
# ## In the real world
#
# | here | RFC | Postfix | IIS SMTP | hMailServer | Synology | Office 365 |
# |---|---|---|---|---|---|---|
# | STARTTLS offered | 3207 | `smtpd_tls_security_level = may` | with a certificate | STARTTLS (Optional) | SMTP-TLS | always |
# | no password in clear | 8314 §4.1 | `smtpd_tls_auth_only = yes` | Requires TLS encryption | Require SSL/TLS for authentication | – | always |
# | `tls = "verify"` for a domain | 8461 §5 | `smtp_tls_policy_maps` | – | – | – | connector for a domain |
# | reads policies itself | 8461, 7672 | DANE: `smtp_tls_security_level = dane` | – | – | – | MTA-STS, DANE |
# | `issue_certificate` | 5280 | `smtpd_tls_cert_file` | Certificates | SSL certificates | Let's Encrypt | – |

# %% [markdown]
# ## Summary
# You read four passwords and left two alone that cannot be read. You closed six doors. You let mail
# wait instead of going out in clear, and only where the receiver had asked for it. You ran an
# authority and survived day 91.
#
# **Next**: 08, *Who may send?* **To read**: RFC 8314 §3 (why implicit TLS is preferred today), RFC 8461
# §2.

# %%
lab.report()
