"""The roles of RFC 5598: MUA, MSA, MTA, MDA and access to the message store."""
