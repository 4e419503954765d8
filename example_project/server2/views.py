"""
An API for users of another server. All it knows about them is in their tokens.
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
        """Return reports by issuer and user: users of two issuers may have the same `sub`, and are different users."""
        claims = cast("Claims", request.auth)
        return Response({"issuer": claims.iss, "user": claims.sub, "reports": ["May", "June"]})
