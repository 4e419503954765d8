"""URLs of the endpoints for browsers, with tokens in httpOnly cookies."""

from django.urls import path

from jwt_auth.views import browser as views

__all__ = ["app_name", "urlpatterns"]

app_name = "jwt_auth_browser"

urlpatterns = [
    path("login/", views.BrowserLoginView.as_view(), name="login"),
    path("reauthenticate/", views.BrowserReauthenticateView.as_view(), name="reauthenticate"),
    path("session/", views.BrowserSessionExchangeView.as_view(), name="exchange-session"),
    path("refresh/", views.BrowserRefreshView.as_view(), name="refresh"),
    path("logout/", views.BrowserLogoutView.as_view(), name="logout"),
    path("logout/all/", views.BrowserLogoutAllView.as_view(), name="logout-all"),
    path("sessions/", views.BrowserSessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", views.BrowserSessionView.as_view(), name="session"),
    path("me/", views.BrowserMeView.as_view(), name="me"),
    path("me/clients/", views.BrowserOwnClientsView.as_view(), name="my-clients"),
    path("ticket/", views.BrowserHandshakeTicketView.as_view(), name="ticket"),
]
