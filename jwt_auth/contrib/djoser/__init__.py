"""
For projects of djoser: its URLs for tokens, and its sign-in with other providers, with tokens of this app.

`strategy.TokenStrategy` is for DJOSER["SOCIAL_AUTH_TOKEN_STRATEGY"]. `urls` is for djoser.urls.jwt, and needs djoser no
more than djangorestframework-simplejwt. `social_urls` is for djoser.social.urls.
"""
