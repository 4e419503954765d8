"""URLs of the endpoints for browsers, with tokens in httpOnly cookies."""

from django.urls import path

from jwt_auth.views import browser as views

app_name = "jwt_auth_browser"

urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("refresh/", views.RefreshView.as_view(), name="refresh"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logout/all/", views.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", views.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", views.SessionView.as_view(), name="session"),
    path("me/", views.MeView.as_view(), name="me"),
]
