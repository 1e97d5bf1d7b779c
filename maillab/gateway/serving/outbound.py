"""What leaves this server: nothing, unless somebody said that it may.

Goes in: messages for other servers. Comes out: attempts, or refusals.

Rule 1: a class shall never mail the world by mistake. Users hear it at RCPT; this file
        also stops what aliases, lists, forwarding and reports would send.
Rule 2: a smart host, and the LMTP host, are places that somebody chose.
"""

from maillab.agents.machine import Machine
from maillab.agents.outcome import Outcome
from maillab.agents.relay import Attempt, Errand, Relay
from maillab.agents.relay_session import ClientTLS, RelaySession
from maillab.dns.answers import Lookups
from maillab.policy import reply_names
from maillab.protocol.smtp_phrases import Phrase

CLOSED = "this server sends no mail to other servers (relay.outbound is off)"
PHRASES = {
    reply_names.RELAYING_DENIED: Phrase(
        550,
        "5.7.1",
        "Relaying denied: this server sends no mail to other servers",
        "RFC 5321 §3.6.2",
        "relay.outbound is off, and there is no smart host",
    )
}


class Outbound(Relay):
    """The client side of an MTA that may be told to stay at home. `open`: it is not."""

    def __init__(
        self,
        machine: Machine,
        hostname: str,
        resolver: Lookups,
        tls: ClientTLS | None = None,
    ) -> None:
        super().__init__(machine, hostname, resolver, tls)
        self.open = False

    async def attempt(
        self, errand: Errand, session: RelaySession | None = None
    ) -> Attempt:
        """Try to get rid of a message, where that is allowed."""
        choice = errand.choice
        if self.open or choice.lmtp or choice.smart_host is not None:
            return await super().attempt(errand, session)
        if session is not None:
            await session.quit()
        outcomes = [
            Outcome(one, "failed", CLOSED, "5.7.1") for one in errand.recipients
        ]
        return Attempt(outcomes)
