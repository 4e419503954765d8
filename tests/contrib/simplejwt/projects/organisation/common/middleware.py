from django.http import JsonResponse
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from .models import Org


class OrganisationMiddleware:
    """Sets request.org from the token, before the view knows the user."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.org = None
        header = request.headers.get("Authorization", "")
        if header.startswith("Bearer "):
            try:
                token = AccessToken(header.split(" ")[1])
            except TokenError:
                return self.get_response(request)  # DRF answers
            org_id = token.get("org_id")
            if org_id:
                request.org = Org.objects.filter(id=org_id).first()
                if request.org is None:
                    return JsonResponse({"detail": "Organisation not found"}, status=403)
        return self.get_response(request)
