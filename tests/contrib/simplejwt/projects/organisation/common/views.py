from django.contrib.auth import authenticate
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from .models import Org, Profile
from .tokens import pair


class LoginView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def post(self, request):
        user = authenticate(request, username=request.data.get("email"), password=request.data.get("password"))
        if user is None:
            raise AuthenticationFailed("Invalid credentials")
        profile = user.profiles.filter(is_active=True).order_by("id").first()
        return Response(pair(user, profile and profile.org))


class SwitchOrgView(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        org = get_object_or_404(Org, id=request.data.get("org_id"))
        get_object_or_404(Profile, user=request.user, org=org, is_active=True)
        return Response({**pair(request.user, org), "org": org.name})


class LogoutView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def post(self, request):
        try:
            RefreshToken(request.data.get("refresh_token")).blacklist()
        except TokenError as e:
            return Response({"error": str(e)}, status=400)
        return Response({"success": True})


class ProfileView(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({
            "id": request.user.id,
            "email": request.user.email,
            "org": request.org and request.org.name,
            "role": request.auth.get("role"),
        })
