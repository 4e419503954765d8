"""Commands for `manage.py`, and what they do."""
