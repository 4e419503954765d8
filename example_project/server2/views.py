"""
An API for users of another server: all it knows of them stands in their tokens.
"""

from typing import cast

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.claims import Claims
from jwt_auth.permissions import HasScope


class ReportsView(APIView):
    permission_classes = [HasScope("reports.read")]

    def get(self, request: Request) -> Response:
        """Whose reports these would be: users of two issuers may have the same `sub`, and are two users."""
        claims = cast("Claims", request.auth)
        return Response({"issuer": claims.iss, "user": claims.sub, "reports": ["May", "June"]})
