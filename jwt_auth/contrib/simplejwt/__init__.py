"""
For projects that come from djangorestframework-simplejwt: its URLs, views, serializers, bodies and tokens by their
names, so that neither clients nor most code have to change.

`window` and the modules that it imports accept the tokens that simplejwt has issued, until SIMPLEJWT["ACCEPT_UNTIL"].
Nothing else here needs the package to be installed.
"""
