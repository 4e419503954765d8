"""
For projects that use djoser: its URLs for tokens, and its sign-in through other providers, with tokens of this app.

`strategy.TokenStrategy` is for DJOSER["SOCIAL_AUTH_TOKEN_STRATEGY"]. `urls` replaces djoser.urls.jwt, and requires
neither djoser nor djangorestframework-simplejwt. `social_urls` replaces djoser.social.urls.
"""
