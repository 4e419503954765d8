"""
The HTTP request as this app sees it: its sender, cross-site request forgery, and the log.

Empty on purpose: `transports` imports from this room, and must not load DRF.
"""
