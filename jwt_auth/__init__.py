"""
Revocable JSON Web Tokens for Django REST Framework.

A request takes this way:

    authentication   takes the token from the header or the cookie, and checks where the request comes from
    verification     `verify()`: finds the issuer, checks signature and claims, asks whether it was revoked
    issuers          this server, API clients, other servers: whose keys, which rules, which principal
    jose             the signature and the format of the token
    revocation       `verdict` decides; `database` or `memory` know the state; `operations` revoke

and tokens are made and ended here:

    views            the endpoints
    sessions         `lifecycle`: a session starts, is refreshed, ends; the rules of refresh tokens
    service_tokens   tokens for other servers
    clients          API clients and their keys
    signing_keys     the life of this server's own keys; `keyring` reads them

Modules at the root and faces of rooms (`jwt_auth.sessions`, `jwt_auth.revocation`) are public as far as
docs/reference/api.md and their `__all__` list them. Imports only go down; docs/explanation/architecture.md has the
floors.
"""

__version__ = "0.1.0"
