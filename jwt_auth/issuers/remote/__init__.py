"""Documents that other servers publish, fetched and kept: their key sets and their revocation feeds."""
