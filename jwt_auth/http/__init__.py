"""HTTP requests: the client's address, protection against cross-site request forgery, and the log."""
