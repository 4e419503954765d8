"""Fetch and keep the documents that other servers publish: their JWK Sets and their revocation feeds."""
