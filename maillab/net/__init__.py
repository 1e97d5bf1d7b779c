"""The virtual internet: clock, hosts, TCP, UDP and TLS. It knows nothing about mail."""
