"""URLs of a project that had dj-rest-auth's, djoser's and simplejwt's before."""

from importlib.util import find_spec

from django.urls import include, path
from django.views.generic import TemplateView

from jwt_auth.contrib.dj_rest_auth.views import LoginView, LogoutView, RefreshView
from jwt_auth.contrib.djoser.social import ProviderAuthView
from tests.support.docs import code_of

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("dra/", include("jwt_auth.contrib.dj_rest_auth.urls")),
    path("browser/login/", LoginView.for_browsers().as_view()),
    path("browser/logout/", LogoutView.for_browsers().as_view()),
    path("browser/token/refresh/", RefreshView.for_browsers().as_view()),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("djoser/browser/o/<str:provider>/", ProviderAuthView.for_browsers().as_view()),
    path("djoser/", include("jwt_auth.contrib.djoser.urls")),
    path("djoser/", include("jwt_auth.contrib.djoser.social_urls")),
    path("reset/<uidb64>/<token>/", TemplateView.as_view(), name="password_reset_confirm"),
    path("reset/", TemplateView.as_view(), name="account_reset_password"),
    path("sign-up/", TemplateView.as_view(), name="account_signup"),
    path("sign-up/", TemplateView.as_view(), name="socialaccount_signup"),
    path("inactive/", TemplateView.as_view(), name="account_inactive"),
]
if find_spec("oauth2_provider"):
    urlpatterns += [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
if find_spec("allauth"):
    GUIDE = {"__name__": __name__}
    FIRST_LINES = "from allauth.socialaccount.providers.oauth2.client import OAuth2Client\n"
    exec(compile(code_of("dj-rest-auth.md", FIRST_LINES), "the guide", "exec"), GUIDE)
    Social = GUIDE["Social"]

    urlpatterns += [
        path("registration/", include("jwt_auth.contrib.dj_rest_auth.registration_urls")),
        path("social/", Social.as_view()),
        path("browser/social/", Social.for_browsers().as_view()),
    ]
