"""URLs of a project that had dj-rest-auth's, djoser's and simplejwt's before."""

from importlib.util import find_spec

from django.urls import include, path
from django.views.generic import TemplateView

from jwt_auth.contrib.dj_rest_auth.views import LoginView, LogoutView, RefreshView
from jwt_auth.contrib.djoser.social import ProviderAuthView

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("dra/", include("jwt_auth.contrib.dj_rest_auth.urls")),
    path("browser/login/", LoginView.for_browsers().as_view()),
    path("browser/logout/", LogoutView.for_browsers().as_view()),
    path("browser/token/refresh/", RefreshView.for_browsers().as_view()),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("djoser/browser/o/<provider>/", ProviderAuthView.for_browsers().as_view()),
    path("djoser/", include("jwt_auth.contrib.djoser.urls")),
    path("djoser/", include("jwt_auth.contrib.djoser.social_urls")),
    path("reset/<uidb64>/<token>/", TemplateView.as_view(), name="password_reset_confirm"),
    path("reset/", TemplateView.as_view(), name="account_reset_password"),
    path("sign-up/", TemplateView.as_view(), name="account_signup"),
    path("sign-up/", TemplateView.as_view(), name="socialaccount_signup"),
    path("inactive/", TemplateView.as_view(), name="account_inactive"),
]
if find_spec("allauth"):
    from allauth.socialaccount.providers.oauth2.client import OAuth2Client
    from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter

    from jwt_auth.contrib.dj_rest_auth.registration import SocialLoginView

    class Example(OpenIDConnectOAuth2Adapter):
        def __init__(self, request):
            super().__init__(request, "example")

    class Social(SocialLoginView):
        adapter_class = Example
        client_class = OAuth2Client
        callback_url = "https://www.example.com/signed-in-at-the-provider/"

    urlpatterns += [
        path("registration/", include("jwt_auth.contrib.dj_rest_auth.registration_urls")),
        path("social/", Social.as_view()),
        path("browser/social/", Social.for_browsers().as_view()),
    ]
