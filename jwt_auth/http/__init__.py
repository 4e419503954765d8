"""
HTTP requests: the client's address, protection against cross-site request forgery, and the log.

Empty on purpose: `transports` imports from this package, and must not load DRF.
"""
