"""
JSON Web Keys, signatures and tokens (RFC 7515 to 7519). Pure: no settings, no database.

Empty on purpose: `jwt_auth.client` imports from this package, and must not load Django.
"""
