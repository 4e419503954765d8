"""The revocation feed for other servers, in signed pieces: a reader asks for what is new."""
