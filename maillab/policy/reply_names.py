"""The phrases that verdicts ask for, by their names in the phrasebook.

Goes in: nothing. Comes out: names of `protocol.smtp_phrases`, where code and text of
each stand, and where a personality may have words of its own.
"""

SENDER_OK = "sender-ok"
RECIPIENT_OK = "recipient-ok"

AUTH_REQUIRED = "login-required"
SENDER_NOT_OWN = "sender-not-allowed"
SENDER_DOMAIN_MISSING = "sender-unknown"
SENDER_DOMAIN_UNKNOWN = "sender-domain-later"
SENDER_NULL_MX = "sender-null-mx"

RELAYING_DENIED = "relaying-denied"
NO_SUCH_USER = "no-such-user"
ROUTE_REFUSED = "relaying-denied"
ADDRESS_LOOP = "address-loop"
LIST_CLOSED = "list-refused"
MAILBOX_FULL = "mailbox-full-never"
MAILBOX_FULL_NOW = "mailbox-full-later"

ACCESS_DENIED = "connection-refused"
BANNED = "banned"
TOO_MANY_CONNECTIONS = "too-many-connections"
GREYLISTED = "greylisted"
DNSBL_LISTED = "listed-dnsbl"
RATE_EXCEEDED = "rate-limited"
