"""
Revocable JSON Web Tokens for Django REST Framework.

A request passes through these parts:

    authentication   reads the token from the header or the cookie, and checks where the request comes from
    verification     `verify()`: finds the issuer, checks signature and claims, and checks for revocation
    issuers          this server, API clients, other servers: their keys, their rules, their principals
    jose             the signature and the format of the token
    revocation       `verdict` decides; `database` or `memory` knows the state; `operations` has `revoke_...()`

These parts issue tokens and end their sessions:

    views            the endpoints
    sessions         `start()`, `refresh()` and `end()`, in `lifecycle`; `refresh_tokens` has the rule for reuse
    service_tokens   tokens for other servers
    clients          API clients and their keys
    signing_keys     the life of this server's own keys; `keyring` reads them

The public names are those in `__all__` of modules at the root and of packages such as `jwt_auth.sessions`;
docs/reference/api.md lists them. Modules import only from layers below their own; docs/explanation/architecture.md
has the layers, and the file where each question is answered.
"""

__version__ = "0.1.0"
