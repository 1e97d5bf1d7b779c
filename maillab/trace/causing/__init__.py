"""What led to an event, and the chain back to where it began."""
