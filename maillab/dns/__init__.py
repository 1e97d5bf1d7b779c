"""DNS in the world: zone files, authoritative servers, resolvers."""
