"""
For projects that use dj-rest-auth with USE_JWT: its URLs, views, serializers and bodies, with tokens of this app.

The names are those of dj-rest-auth, so that a project changes `dj_rest_auth` to `jwt_auth.contrib.dj_rest_auth` in its
imports of the views that issue or read tokens, and of `urls`. All other views stay those of the package, which must be
installed; djangorestframework-simplejwt need not be.
"""
