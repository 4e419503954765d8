"""
The code that relies on undocumented parts of Django.

If those differ, requests are answered by slower or public ways, or refused where safety depends on them.
"""
