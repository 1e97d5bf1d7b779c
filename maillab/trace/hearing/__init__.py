"""Sessions in which no engine of ours took part: lines, and TLS that keys open."""
