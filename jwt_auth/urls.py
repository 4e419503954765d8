"""URLs of the endpoints for clients that send their token in the Authorization header."""

from django.urls import path

from jwt_auth.views import clients, handshake_tickets, reauthentication, servers, session_exchange, users

__all__ = ["app_name", "urlpatterns"]

app_name = "jwt_auth"

urlpatterns = [
    path("login/", users.LoginView.as_view(), name="login"),
    path("reauthenticate/", reauthentication.ReauthenticateView.as_view(), name="reauthenticate"),
    path("session/", session_exchange.SessionExchangeView.as_view(), name="exchange-session"),
    path("refresh/", users.RefreshView.as_view(), name="refresh"),
    path("logout/", users.LogoutView.as_view(), name="logout"),
    path("logout/all/", users.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", users.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", users.SessionView.as_view(), name="session"),
    path("revoke/", users.RevokeView.as_view(), name="revoke"),
    path("revoke/user/", users.RevokeUserView.as_view(), name="revoke-user"),
    path("revoke/global/", servers.RevokeGlobalView.as_view(), name="revoke-global"),
    path("introspect/", servers.IntrospectView.as_view(), name="introspect"),
    path("verify/", users.VerifyView.as_view(), name="verify"),
    path("token/", servers.ExchangeView.as_view(), name="exchange"),
    path("me/", users.MeView.as_view(), name="me"),
    path("me/clients/", users.OwnClientsView.as_view(), name="my-clients"),
    path("ticket/", handshake_tickets.HandshakeTicketView.as_view(), name="ticket"),
    path("clients/", clients.ClientsView.as_view(), name="clients"),
    path("clients/<str:client_id>/", clients.ClientView.as_view(), name="client"),
    path("clients/<str:client_id>/revoke/", clients.RevokeClientView.as_view(), name="revoke-client"),
    path("clients/<str:client_id>/keys/", clients.ClientKeysView.as_view(), name="client-keys"),
    path("clients/<str:client_id>/keys/<str:kid>/", clients.ClientKeyView.as_view(), name="client-key"),
    path(
        "clients/<str:client_id>/keys/<str:kid>/rotate/",
        clients.RotateClientKeyView.as_view(),
        name="rotate-client-key",
    ),
    path(".well-known/jwks.json", servers.JWKSView.as_view(), name="jwks"),
    path(".well-known/oauth-authorization-server", servers.MetadataView.as_view(), name="metadata"),
    path(".well-known/revocations", servers.RevocationsView.as_view(), name="revocations"),
]
