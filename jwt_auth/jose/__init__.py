"""
JSON Web Keys, signatures and tokens (RFC 7515 to 7519). Pure: no setting, no row.

Empty on purpose: `jwt_auth.client` imports from this room, and must not load Django.
"""
