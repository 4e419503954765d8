"""The example clients, run as their users run them."""
