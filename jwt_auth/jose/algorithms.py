"""
The signature algorithms that this app supports (RFC 7518 section 3, RFC 8037, RFC 9864).
"""

# With these, the key is a shared secret: anyone who can verify a signature can also make it.
HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
PUBLIC_KEY_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
ALGORITHMS = (*HMAC_ALGORITHMS, *PUBLIC_KEY_ALGORITHMS)

# The algorithm of a public key that names none, by the kind of key (`jwk.kind_of`), as most libraries choose it.
USUAL_ALGORITHMS = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
