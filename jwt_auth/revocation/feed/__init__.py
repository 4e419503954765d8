"""The revocation feed for other servers: signed pieces, each of which says what follows what its reader knows."""
