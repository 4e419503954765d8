"""
django-allauth's headless API with the tokens of this app, for both of its clients, apps and browsers.

The package may be missing: `apps` imports `checks` in any case, which does without it, and the other modules only
if it is among the project's apps.
"""
