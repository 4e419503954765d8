"""
For projects that come from djangorestframework-simplejwt: its URLs, views, serializers, token classes and bodies under
the same names, so that clients and most code need no change.

`window` and the modules that it imports accept the tokens that simplejwt has issued, until SIMPLEJWT["ACCEPT_UNTIL"].
Nothing else here needs the package to be installed.
"""
