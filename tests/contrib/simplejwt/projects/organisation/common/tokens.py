from rest_framework_simplejwt.tokens import RefreshToken

from .models import Profile


class OrgAwareRefreshToken(RefreshToken):
    """A refresh token whose access tokens say for which organisation the user works."""

    @classmethod
    def for_user_and_org(cls, user, org):
        token = cls.for_user(user)
        token["email"] = user.email
        if org is not None:
            profile = Profile.objects.get(user=user, org=org, is_active=True)
            token["org_id"] = str(org.id)
            token["org_name"] = org.name
            token["role"] = profile.role
        return token


def pair(user, org):
    refresh = OrgAwareRefreshToken.for_user_and_org(user, org)
    return {"access_token": str(refresh.access_token), "refresh_token": str(refresh)}
