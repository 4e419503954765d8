"""The code that relies on undocumented parts of Django. If those differ, requests are still answered."""
