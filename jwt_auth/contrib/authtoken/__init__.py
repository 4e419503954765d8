"""
For projects that come from the tokens of DRF's `rest_framework.authtoken`: they are accepted until a date,
refused after a revocation, and exchanged for tokens of this app.
"""
