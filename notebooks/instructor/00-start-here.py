# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 00. Start here
#
# **You will** send one letter through an internet that fits into this notebook, and watch it
# from five sides: the dialogue, the picture, the names, the journey, the packets.
#
# **You need** a little Python: calling functions, loops. Nothing about mail.
#
# **Time** 20 minutes. No points. Click on the first grey cell and press
# <kbd>Shift</kbd>+<kbd>Enter</kbd>; that runs it and goes on to the next one. Do not skip cells.

# %% [markdown]
# Alice works at *alpha*, Bob at *beta*. Each site has a mail server and a name server; a root
# server and a registry stand above both. All of it runs here, inside Python, with a clock of
# its own. Nothing you do can reach a real mailbox.
#
# ```text
#  alice-pc ─── mail.alpha.example ═══ the network ═══ mx.beta.example ─── bob-pc
#               ns.alpha.example                       ns.beta.example
#                        a.root-servers.example, a.nic.example
# ```

# %%
import maillab

world = maillab.open_world("two-domains")
world

# %%
list(world.hosts)

# %% [markdown]
# ## 1. Send a letter
# Alice presses *send*. The server's last word comes back: `250` means *it is mine now, I am
# responsible for it*.

# %%
world.send("alice", "bob@beta.example", "Hello", "How are you?")

# %% [markdown]
# And this is what lies in Bob's mailbox. Alice wrote the last lines only. Who wrote the others?

# %%
letter = world.user("bob").inbox.messages[0]
print(letter.content.decode())

# %% [markdown]
# Each server that took the letter put a `Received:` field on top, like a postmark. Read them
# from the bottom to the top, and you have the way of the letter (RFC 5321 §4.4).

# %% [markdown]
# ## 2. Who talked to whom
# The world remembers everything that happened: its *trace*. One row is one TCP connection.

# %%
world.trace.summary()

# %% [markdown]
# Two connections for one letter. Alice's computer *submitted* it at port 587, with her
# password. Then her server *relayed* it to Bob's server at port 25, without any password:
# strangers must be able to write to Bob.

# %% [markdown]
# ## 3. What they said
# `C` is the client, `S` the server. SMTP is a conversation in lines of plain English.

# %%
relay = world.trace.session(port=25)
for line in relay.lines[:14]:
    print(line.speaker, line.rows[0])

# %% [markdown]
# `EHLO` says hello and asks what the server can do. From `STARTTLS` on nobody in between can read along; our trace
# can, because it belongs to the world. For the whole dialogue, with a time and an RFC section
# for each line, add a cell and type `relay.transcript()`.

# %% [markdown]
# ## 4. The same as a picture
# Time runs downwards. Each arrow leaves at one time and arrives at another: that is the network.

# %%
relay.ladder()

# %% [markdown]
# Find three things: the two arrows that open the connection; the place where the lines become
# double, because they are encrypted; and the arrow that carries the letter itself.

# %% [markdown]
# ## 5. Names come first
# How did alpha's server know where mail for `beta.example` goes? It asked the DNS for an `MX`
# record: first the root, then the registry, then beta's own name server.

# %%
world.trace.dns_walk("mail.alpha.example")

# %% [markdown]
# The answer is a name, so it asked again for the address of that name. Only then could it
# connect. Notebook 04 is about nothing else.

# %% [markdown]
# ## 6. The journey
# One letter, host by host. *Accepted* is where responsibility changes hands.

# %%
world.trace.journey()

# %% [markdown]
# ## 7. The packets
# A packet sniffer sits at alpha's mail server. This writes what it saw into a file beside this
# notebook.

# %%
capture = world.trace.capture("mail.alpha.example")
capture.write("letter.pcapng")
capture

# %% [markdown]
# Open `letter.pcapng` in Wireshark, if you have it: the file holds host names, a comment with
# the RFC section at each packet, and the keys, so that even the encrypted dialogue can be read.
# Try the filters `dns`, `smtp` and `tcp.flags.syn == 1`, and *Follow → TLS stream*.
#
# Without Wireshark:

# %%
capture.listing(1, 12)

# %% [markdown]
# One row is one packet, numbered as in Wireshark. `SYN` opens a connection, `ACK` says *arrived*, `FIN` says *I
# have nothing more to send*; those are TCP's own. Number 5 carries the first words of Alice's program. For all
# of its octets, each with a name, type `capture.dissect(5)`.
#
# **scapy** is a library that takes packets apart and builds new ones. It wraps layer around layer: IP, in it
# TCP, in it SMTP.

# %%
packets = capture.to_scapy()
packets[4]["SMTP"].show()

# %%
for packet in packets[:8]:
    print(packet.summary())

# %% [markdown]
# ## 8. Look around
# Everything so far can be had with the mouse, too. Press *Play* and watch the dialogue of the two servers grow,
# moment by moment. Below stands the call that shows the same without buttons.

# %%
relay.explore()

# %% [markdown]
# And this is the whole world: its clock, its network, its sessions and mailboxes, its queues and names. Write a
# letter on the page *Write*, then look for it on the others.

# %%
world.explore()

# %% [markdown]
# ## 9. Break it
# What happens to a letter for somebody who does not exist?

# %%
world.send("alice", "nobody@beta.example", "Hello?")

# %% [markdown]
# Alice's server took it: it cannot know who lives at beta. Beta refused it. So alpha must tell
# Alice, by a letter of its own (RFC 5321 §6.1).

# %%
world.trace.messages[1]

# %%
report = world.user("alice").inbox.messages[0].content.decode()
print("\n".join(report.splitlines()[:20]))

# %% [markdown]
# ## 10. Connect a real mail program
# A world can open real ports on your computer. In a terminal (in JupyterLab: *File → New →
# Terminal*), type
#
# ```text
# maillab world hello --live
# ```
#
# It prints host, port, user and password, and a `curl` line for each protocol. Paste one of them
# into a second terminal. Or add an account to Thunderbird: choose *Configure manually*, server
# `127.0.0.1`, the ports and the password that were printed, and accept the lab's certificate.
# What you do is in that world's trace, too.

# %% [markdown]
# ## What is next
# You have seen one letter from five sides. In **01, A letter by hand**, you are the mail program:
# you type every line yourself, in SMTP, POP3 and IMAP.
#
# To read: RFC 5598 (*Internet Mail Architecture*) §2 names everybody you met here.
