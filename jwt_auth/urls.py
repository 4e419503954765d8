"""Endpoints for clients that send their token in the Authorization header."""

from django.urls import path

from jwt_auth import views

app_name = "jwt_auth"

urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("refresh/", views.RefreshView.as_view(), name="refresh"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logout/all/", views.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", views.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", views.SessionView.as_view(), name="session"),
    path("revoke/", views.RevokeView.as_view(), name="revoke"),
    path("revoke/user/", views.RevokeUserView.as_view(), name="revoke-user"),
    path("verify/", views.VerifyView.as_view(), name="verify"),
    path("me/", views.MeView.as_view(), name="me"),
    path(".well-known/jwks.json", views.jwks, name="jwks"),
]
