"""ID tokens that django-oauth-toolkit has signed, with the settings of docs/how-to/other-issuers.md."""

import re
from datetime import timedelta

import pytest

pytest.importorskip("oauth2_provider")

from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils.timezone import now
from oauth2_provider.models import get_application_model, get_grant_model

from jwt_auth.principals import ClaimsUser
from jwt_auth.verification import verify
from tests.support import ROOT, forge
from tests.support.docs import run_settings
from tests.support.http_endpoint import document, serving
from tests.support.keys import pem

PAGE = (ROOT / "docs/how-to/other-issuers.md").read_text()
BLOCK = re.search(r"<!-- test: issuer DjangoOAuthToolkit -->\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
CLIENT_ID, SECRET, CALLBACK = "the client_id of your application", "a secret", "https://www.example.com/back/"


@pytest.fixture
def issuer(settings, rsa_key):
    """The settings of the server that issues the tokens, which is this project as well."""
    settings.OAUTH2_PROVIDER = {
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": pem(rsa_key),
        "OIDC_ISS_ENDPOINT": "https://accounts.example.com/o",
        "ID_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {"openid": "OpenID"},
        "PKCE_REQUIRED": False,
    }
    return settings


@pytest.fixture
def id_token(issuer, client, user):
    """`id_token()` exchanges a code of alice for tokens, and returns the ID token."""

    def get(client_id=CLIENT_ID):
        model = get_application_model()
        application = model.objects.create(
            client_id=client_id,
            client_secret=SECRET,
            client_type=model.CLIENT_CONFIDENTIAL,
            authorization_grant_type=model.GRANT_AUTHORIZATION_CODE,
            algorithm=model.RS256_ALGORITHM,
            redirect_uris=CALLBACK,
        )
        get_grant_model().objects.create(
            user=user,
            code=f"the code for {client_id}",
            application=application,
            expires=now() + timedelta(minutes=1),
            redirect_uri=CALLBACK,
            scope="openid",
        )
        body = {
            "grant_type": "authorization_code",
            "code": f"the code for {client_id}",
            "redirect_uri": CALLBACK,
            "client_id": client_id,
            "client_secret": SECRET,
        }
        answer = client.post("/o/token/", body, format="multipart")
        assert answer.status_code == 200, answer.content
        return answer.json()["id_token"]

    return get


@pytest.fixture
def trust(jwt_settings, client, issuer):
    """`trust(**changes)` trusts the issuer as the page says, with the JWK Set that the package publishes."""
    issuer.DEBUG = True
    published = client.get("/o/.well-known/jwks.json")
    with serving(document(published.json(), f"Cache-Control: {published['Cache-Control']}")) as endpoint:

        def change(**changes):
            ((name, options),) = run_settings(BLOCK)["JWT_AUTH"]["TRUSTED_ISSUERS"].items()
            jwt_settings(TRUSTED_ISSUERS={name: {**options, "JWKS_URL": endpoint.url, **changes}})

        change()
        yield change


def test_an_id_token_that_the_package_has_signed_is_good_by_the_settings_of_the_page(client, user, id_token, trust):
    raw = id_token()
    assert client.get_me(raw).status_code == 200
    verified = verify(raw)
    assert (verified.claims.sub, verified.claims.scopes) == (str(user.pk), set())
    assert verified.user == ClaimsUser(verified.claims)
    assert {"aud", "iss", "exp", "iat", "auth_time", "jti", "at_hash"} <= set(forge.claims_of(raw))


def test_tokens_of_other_applications_and_lifetimes_and_keys_are_refused(client, id_token, trust, issuer):
    raw = id_token()
    assert client.get_me(id_token("another")).status_code == 401
    trust(MAX_LIFETIME=timedelta(minutes=59))
    assert client.get_me(raw).status_code == 401
    trust()
    assert client.get_me(raw).status_code == 200
    issuer.OAUTH2_PROVIDER = {
        **issuer.OAUTH2_PROVIDER,
        "OIDC_RSA_PRIVATE_KEY": pem(rsa.generate_private_key(65537, 2048)),
    }
    assert client.get_me(id_token("the client_id of your application too")).status_code == 401


def test_it_speaks_for_a_user_of_this_project_if_the_settings_say_so(client, user, id_token, trust):
    trust(PRINCIPAL="user", USER_FIELD="pk")
    raw = id_token()
    assert verify(raw).user == user
    user.is_active = False
    user.save()
    assert client.get_me(raw).status_code == 401
