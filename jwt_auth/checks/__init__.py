"""
System checks for `manage.py check`.

Each fault has one id, and a hint that says how to fix it.
"""
