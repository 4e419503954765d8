"""Endpoints for clients that send their token in the Authorization header."""

from django.urls import path

from jwt_auth import client_views, server_views, views

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
    path("revoke/global/", server_views.RevokeGlobalView.as_view(), name="revoke-global"),
    path("introspect/", server_views.IntrospectView.as_view(), name="introspect"),
    path("verify/", views.VerifyView.as_view(), name="verify"),
    path("token/", server_views.ExchangeView.as_view(), name="exchange"),
    path("me/", views.MeView.as_view(), name="me"),
    path("clients/", client_views.ClientsView.as_view(), name="clients"),
    path("clients/<str:client_id>/", client_views.ClientView.as_view(), name="client"),
    path("clients/<str:client_id>/revoke/", client_views.RevokeClientView.as_view(), name="revoke-client"),
    path("clients/<str:client_id>/keys/", client_views.ClientKeysView.as_view(), name="client-keys"),
    path("clients/<str:client_id>/keys/<str:kid>/", client_views.ClientKeyView.as_view(), name="client-key"),
    path(
        "clients/<str:client_id>/keys/<str:kid>/rotate/",
        client_views.RotateClientKeyView.as_view(),
        name="rotate-client-key",
    ),
    path(".well-known/jwks.json", server_views.JWKSView.as_view(), name="jwks"),
    path(".well-known/oauth-authorization-server", server_views.MetadataView.as_view(), name="metadata"),
    path(".well-known/revocations", server_views.RevocationsView.as_view(), name="revocations"),
]
