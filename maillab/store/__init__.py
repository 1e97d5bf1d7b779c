"""What survives a connection: accounts, mailboxes, queues."""
