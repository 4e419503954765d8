"""
What `manage.py check` reports about a project's settings.

Each fault has one id, and a hint that says how to fix it.
"""
