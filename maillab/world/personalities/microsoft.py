"""What the SMTP servers of one maker say alike: IIS, and the cloud that came of it."""

from maillab.world.personality import phrases

PHRASES = phrases(
    ("banner", 220, "", "{hostname} Microsoft ESMTP MAIL Service ready at {date}"),
    ("ehlo", 250, "", "{hostname} Hello [{client}]"),
    ("helo", 250, "", "{hostname} Hello [{client}]"),
    ("data", 354, "", "Start mail input; end with <CRLF>.<CRLF>"),
    ("rset", 250, "2.0.0", "Resetting"),
    ("noop", 250, "2.0.0", "OK"),
    ("unknown-command", 500, "5.3.3", "Unrecognized command"),
    ("need-ehlo", 503, "5.5.2", "Send hello first"),
    ("bad-credentials", 535, "5.7.3", "Authentication unsuccessful"),
    ("too-big", 552, "5.3.4", "Message size exceeds fixed maximum message size"),
    ("ready-for-tls", 220, "2.0.0", "SMTP server ready"),
)
