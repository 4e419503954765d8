from rest_framework.permissions import IsAuthenticated

from .models import Profile


class InOrganisation(IsAuthenticated):
    message = "Choose an organisation first."

    def has_permission(self, request, view):
        if not super().has_permission(request, view) or request.org is None:
            return False
        if request.auth["org_id"] != str(request.org.id):
            return False
        return Profile.objects.filter(user=request.user, org=request.org, is_active=True).exists()


class IsAdmin(InOrganisation):
    def has_permission(self, request, view):
        return super().has_permission(request, view) and request.auth.payload.get("role") == "ADMIN"
