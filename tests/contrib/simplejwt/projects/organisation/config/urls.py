from django.urls import path
from rest_framework_simplejwt.views import token_refresh, token_verify

from common import views
from contacts.views import ContactList

urlpatterns = [
    path("api/auth/login/", views.LoginView.as_view(), name="login"),
    path("api/auth/refresh-token/", token_refresh, name="token_refresh"),
    path("api/auth/verify/", token_verify, name="token_verify"),
    path("api/auth/switch-org/", views.SwitchOrgView.as_view(), name="switch_org"),
    path("api/auth/logout/", views.LogoutView.as_view(), name="logout"),
    path("api/profile/", views.ProfileView.as_view(), name="profile"),
    path("api/contacts/", ContactList.as_view(), name="contacts"),
]
