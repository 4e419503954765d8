"""
django-allauth's headless API with the tokens of this app, for both of its clients, apps and browsers.

Nothing here imports allauth before a setting of the project names it: the package may be missing. `adapter` is a module
of its own, because allauth's adapter needs its models.
"""
