"""The code that relies on undocumented parts of Django. No other code in the package does."""
