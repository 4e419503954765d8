"""
Tokens and JWK Sets in the shapes of widespread issuers: the names, types and gaps that they document, with values of
our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.clocks import NOW

SECOND = int(NOW.timestamp())

TENANT = "11111111-2222-3333-4444-555555555555"
OTHER_TENANT = "99999999-2222-3333-4444-555555555555"

# Members of keys that carry certificates; the app reads none of them.
CERTIFICATE = {"x5c": ["MIIDBTCCAe2gAwIBAgIQ" + "Qm9" * 300], "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"}
SIGNS = {"use": "sig", "alg": "RS256"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """
    One kind of token of an issuer.

    Args:
        block: the name of the block in docs/how-to/other-issuers.md.
        changes: options that differ from the block's, as the text beside it says.
        header: the header of the token.
        claims: its claims.
        expected: what the app should make of them.
        refused: changes that make another token of the issuer, which must not come in. Ellipsis removes a claim.
        separated: the same, for tokens that only REQUIRE keeps out.
        key: the members of the published key, besides those of RSA keys.
        beside: the members of the other RSA keys in the set.
        cache: the Cache-Control of the set.
    """

    block: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    expected: Mapping[str, Any]
    refused: Mapping[str, Mapping[str, Any]]
    separated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=lambda: SIGNS)
    beside: tuple[Mapping[str, Any], ...] = ({"kid": "next", **SIGNS},)
    cache: str = "public, max-age=86400"


KEYCLOAK = Shape(
    block="Keycloak",
    header={"alg": "RS256", "typ": "JWT", "kid": "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE"},
    claims={
        "exp": SECOND + 300,
        "iat": SECOND,
        "auth_time": SECOND - 60,
        "jti": "onrtac:5ce5ca5d-5a2d-4f5c-8c5e-8f3c7c1f3c49",
        "iss": "https://sso.example.com/realms/staff",
        "aud": ["orders-api", "account"],
        "sub": "f1d9b2a0-8f5e-4f5c-9b3e-2f1d0c9b8a7e",
        "typ": "Bearer",
        "azp": "spa",
        "sid": "0f8a1c5e-6f3b-4d29-8b8e-3f5a9e6f7d21",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["offline_access", "uma_authorization"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        "scope": "openid profile email",
        "email_verified": True,
        "preferred_username": "alice",
    },
    expected={
        "client_id": "spa",
        "scopes": {"openid", "profile", "email"},
        "sub": "f1d9b2a0-8f5e-4f5c-9b3e-2f1d0c9b8a7e",
    },
    refused={
        "no audience mapper": {"aud": "account"},
        "another realm": {"iss": "https://sso.example.com/realms/customers"},
        "without the scope `basic`": {"sub": ...},
    },
    separated={"ID token": {"typ": "ID", "aud": "orders-api", "nonce": "n-0S6_WzA2Mj"}},
    key={**SIGNS, **CERTIFICATE, "x5t#S256": "PLPDTBhkOtVAvYMCDXZ_dnEk7hfZPFTWFvV1vBrtuTo"},
    beside=({"kid": "enc", "use": "enc", "alg": "RSA-OAEP", **CERTIFICATE},),
    cache="no-cache",
)

AUTH0 = Shape(
    block="Auth0",
    header={"alg": "RS256", "typ": "JWT", "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"},
    claims={
        "iss": "https://example.eu.auth0.com/",
        "sub": "auth0|6581b9f1a2c3d4e5f6a7b8c9",
        "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
        "iat": SECOND,
        "exp": SECOND + 86400,
        "scope": "openid profile read:orders",
        "azp": "my_client_id",
    },
    expected={
        "client_id": "my_client_id",
        "scopes": {"openid", "profile", "read:orders"},
        "sub": "auth0|6581b9f1a2c3d4e5f6a7b8c9",
    },
    refused={
        "ID token": {"aud": "my_client_id", "nonce": "n-0S6_WzA2Mj", "azp": ...},
        "another tenant": {"iss": "https://other.eu.auth0.com/"},
        "for userinfo alone": {"aud": "https://example.eu.auth0.com/userinfo"},
    },
    key={**SIGNS, **CERTIFICATE},
)

ENTRA = Shape(
    block="Entra",
    header={"typ": "JWT", "alg": "RS256", "kid": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
    claims={
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "iat": SECOND - 300,
        "nbf": SECOND - 300,
        "exp": SECOND + 4500,
        "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4/DccQzjcJGxPYy/C3jDaNGxXd6wNIIVGRghNRnwJ1lOcAnNZcjvkoyrFx==",
        "azp": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
        "azpacr": "0",
        "name": "Alice",
        "oid": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
        "preferred_username": "alice@example.com",
        "rh": "0.ATcAWAe3xkkr4UyQ.",
        "scp": "orders.read orders.write",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    expected={
        "client_id": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
        "scopes": {"orders.read", "orders.write"},
        "sub": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
        "jti": "fqiBqXLPj0eQa82S-IYFAA",
    },
    refused={
        "another API": {"aud": "00000003-0000-0000-c000-000000000000"},
        "another tenant": {"iss": f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", "tid": OTHER_TENANT},
    },
    separated={
        "ID token": {"azp": ..., "azpacr": ..., "scp": ..., "nonce": "678910"},
        "another tenant, by this one's name": {"tid": OTHER_TENANT},
    },
    key={"use": "sig", **CERTIFICATE, "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
    beside=({"kid": "next", "use": "sig", **CERTIFICATE},),
    cache="max-age=86400, private",
)

ENTRA_1 = Shape(
    block="Entra1",
    header={**ENTRA.header, "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
    claims={
        "aud": "api://6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": SECOND - 300,
        "nbf": SECOND - 300,
        "exp": SECOND + 4500,
        "acr": "1",
        "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4",
        "amr": ["pwd"],
        "appid": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
        "appidacr": "0",
        "ipaddr": "203.0.113.7",
        "name": "Alice",
        "oid": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
        "rh": "0.ATcAWAe3xkkr4UyQ.",
        "scp": "orders.read",
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
        "tid": TENANT,
        "unique_name": "alice@example.com",
        "upn": "alice@example.com",
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "1.0",
    },
    expected={
        "client_id": "a17c21ed-fa7b-4c36-9c6b-1f1a2b3c4d5e",
        "scopes": {"orders.read"},
        "sub": "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb",
    },
    refused={
        "another API": {"aud": "https://graph.microsoft.com"},
        "another tenant": {"iss": f"https://sts.windows.net/{OTHER_TENANT}/", "tid": OTHER_TENANT},
        "version 2": {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
    },
    separated={"ID token": {"appid": ..., "appidacr": ..., "scp": ...}},
    key={"use": "sig", **CERTIFICATE},
    beside=ENTRA.beside,
    cache=ENTRA.cache,
)

GOOGLE = Shape(
    block="Google",
    header={"alg": "RS256", "kid": "6ce11aecf9eb14024a44bbfd1bcf8b32a12287fa", "typ": "JWT"},
    claims={
        "iss": "https://accounts.google.com",
        "azp": "1234-ios.apps.googleusercontent.com",
        "aud": "1234-web.apps.googleusercontent.com",
        "sub": "110169484474386276334",
        "email": "alice@example.com",
        "email_verified": True,
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "iat": SECOND,
        "exp": SECOND + 3600,
    },
    expected={
        "client_id": "1234-ios.apps.googleusercontent.com",
        "scopes": set(),
        "sub": "110169484474386276334",
    },
    refused={"another app": {"aud": "other.apps.googleusercontent.com"}},
    separated={
        "an e-mail address that is not verified": {"email_verified": False},
        "none": {"email_verified": ...},
        "a service account": {"azp": "110169484474386276399", "sub": "110169484474386276399"},
    },
    cache="public, max-age=19845, must-revalidate, no-transform",
)

OKTA = Shape(
    block="Okta",
    header={"kid": "-Nn3l4-1LfCIC6bpfFYcVGsUzMSmrKOgABXnTG_ZxQs", "alg": "RS256"},
    claims={
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://example.okta.com/oauth2/default",
        "aud": "api://default",
        "iat": SECOND,
        "exp": SECOND + 3600,
        "cid": "0oa1b2c3d4e5f6g7h8i9",
        "uid": "00u1b2c3d4e5f6g7h8i9",
        "scp": ["openid", "orders:read"],
        "auth_time": SECOND - 30,
        "sub": "alice@example.com",
    },
    expected={
        "client_id": "0oa1b2c3d4e5f6g7h8i9",
        "scopes": {"openid", "orders:read"},
        "sub": "alice@example.com",
    },
    refused={
        "ID token": {"aud": "0oa1b2c3d4e5f6g7h8i9", "cid": ..., "scp": ..., "amr": ["pwd"], "idp": "00o1"},
        "another authorization server": {"iss": "https://example.okta.com/oauth2/aus1"},
    },
    separated={"another version": {"ver": 2}},
    cache="max-age=5270471, must-revalidate",
)

_POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example"

COGNITO = Shape(
    block="Cognito",
    header={"kid": "yD8w8T3l0sQ4Jq0PqkIgJ+ZqPqk7WkPZ4mJ5Yv1n3y8=", "alg": "RS256"},
    claims={
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["staff"],
        "iss": _POOL,
        "version": 2,
        "client_id": "57cbishk4j24pabc1234567890",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeef",
        "event_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee0",
        "token_use": "access",
        "scope": "openid orders/read",
        "auth_time": SECOND - 30,
        "exp": SECOND + 3600,
        "iat": SECOND,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee1",
        "username": "alice",
    },
    expected={
        "aud": ("57cbishk4j24pabc1234567890",),
        "client_id": "57cbishk4j24pabc1234567890",
        "scopes": {"openid", "orders/read"},
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    },
    refused={
        "another client": {"client_id": "1example23456789"},
        "no client": {"client_id": ...},
        "ID token": {"client_id": ..., "aud": "57cbishk4j24pabc1234567890", "token_use": "id", "scope": ...},
        "bound to another API": {"aud": "https://billing.example.com"},
        "another pool": {"iss": f"{_POOL}2"},
    },
    separated={"another use": {"token_use": "id"}},
)

COGNITO_ID = Shape(
    block="Cognito",
    changes={"CLAIMS": {}, "REQUIRE": {"token_use": "id"}},
    header=COGNITO.header,
    claims={
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["staff"],
        "email_verified": True,
        "iss": _POOL,
        "cognito:username": "alice",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeef",
        "aud": "57cbishk4j24pabc1234567890",
        "event_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee0",
        "token_use": "id",
        "auth_time": SECOND - 30,
        "exp": SECOND + 3600,
        "iat": SECOND,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee2",
        "email": "alice@example.com",
    },
    expected={"aud": ("57cbishk4j24pabc1234567890",), "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "scopes": set()},
    refused={
        "another client": {"aud": "1example23456789"},
        "access token": {"aud": ..., "client_id": "57cbishk4j24pabc1234567890", "token_use": "access"},
    },
    separated={"access token, bound to this client": {"token_use": "access"}},
)

CLERK = Shape(
    block="Clerk",
    header={"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "ins_2Mx0a1b2c3d4e5f6g7h8i9j0k1l", "typ": "JWT"},
    claims={
        "azp": "https://app.example.com",
        "exp": SECOND + 60,
        "fva": [7, -1],
        "iat": SECOND,
        "iss": "https://clerk.example.com",
        "jti": "ffe0c3a1b2d4e5f60718",
        "nbf": SECOND - 10,
        "pla": "u:free",
        "sid": "sess_2Gax0a1b2c3d4e5f6g7h8i9j0k1",
        "sts": "active",
        "sub": "user_2QWx0a1b2c3d4e5f6g7h8i9j0k1",
        "v": 2,
        "o": {"id": "org_2Abx0a1b2c3d4e5f6g7h8", "slg": "acme", "rol": "admin", "per": "read,manage", "fpm": "3"},
    },
    expected={
        "aud": ("https://app.example.com",),
        "sid": "sess_2Gax0a1b2c3d4e5f6g7h8i9j0k1",
        "sub": "user_2QWx0a1b2c3d4e5f6g7h8i9j0k1",
        "scopes": set(),
    },
    refused={
        "another origin": {"azp": "https://other.example.com"},
        "no origin": {"azp": ...},
        "of a template, for another API": {"sid": ..., "sts": ..., "v": ..., "aud": "https://billing.example.com"},
        "another instance": {"iss": "https://clerk.other.example"},
    },
    separated={
        "a sign-in with open tasks": {"sts": "pending"},
        "of a template": {"sid": ..., "sts": ..., "v": ..., "fva": ...},
    },
)

CLERK_1 = Shape(
    block="Clerk",
    changes={"REQUIRE": {}},
    header=CLERK.header,
    claims={
        "azp": "https://app.example.com",
        "exp": SECOND + 60,
        "iat": SECOND,
        "iss": "https://clerk.example.com",
        "nbf": SECOND - 10,
        "sid": "sess_2Gax0a1b2c3d4e5f6g7h8i9j0k1",
        "sub": "user_2QWx0a1b2c3d4e5f6g7h8i9j0k1",
        "org_id": "org_2Abx0a1b2c3d4e5f6g7h8",
        "org_role": "org:admin",
        "org_slug": "acme",
        "org_permissions": ["org:orders:read"],
    },
    expected={"aud": ("https://app.example.com",), "sub": "user_2QWx0a1b2c3d4e5f6g7h8i9j0k1"},
    refused={"another origin": {"azp": "https://other.example.com"}},
)

GITLAB = Shape(
    block="GitLab",
    header={"kid": "4i3sFE7sxqNPOT7FdvcGA1ZVGGI_r-tsDXnEuYT4ZqE", "typ": "JWT", "alg": "RS256"},
    claims={
        "namespace_id": "72",
        "namespace_path": "shop",
        "project_id": "20",
        "project_path": "shop/orders",
        "user_id": "1",
        "user_login": "alice",
        "user_email": "alice@example.com",
        "user_access_level": "developer",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "groups_direct": ["shop"],
        "runner_id": 1,
        "runner_environment": "gitlab-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "project_visibility": "public",
        "ci_config_ref_uri": "gitlab.com/shop/orders//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
        "iss": "https://gitlab.com",
        "iat": SECOND,
        "nbf": SECOND - 5,
        "exp": SECOND + 3600,
        "sub": "project_path:shop/orders:ref_type:branch:ref:main",
        "aud": "https://api.example.com",
    },
    expected={"sub": "project_path:shop/orders:ref_type:branch:ref:main", "scopes": set()},
    refused={
        "for another API": {"aud": "https://billing.example.com"},
        "another GitLab": {"iss": "https://gitlab.example.com"},
        "somebody who signs in with GitLab": {
            "aud": "b8fd0e5a0b1c2d3e4f",
            "sub": "1",
            "project_id": ...,
            "ref_protected": ...,
            "auth_time": SECOND,
        },
    },
    separated={
        "another project": {
            "project_id": "21",
            "project_path": "mallory/orders",
            "sub": "project_path:mallory/orders:ref_type:branch:ref:main",
        },
        "a branch that anybody may push to": {"ref": "try", "ref_protected": "false"},
    },
)

GITHUB = Shape(
    block="GitHub",
    header={
        "typ": "JWT",
        "alg": "RS256",
        "x5t": "eIP2B5wTPjnwVdJHVFdmPOlZqHE",
        "kid": "78167F727DEC5D801DD1C8784C704A1C880EC0E1",
    },
    claims={
        "jti": "8a0c3a4f-2f5e-4a7b-9a51-6e9b5b1f2c11",
        "sub": "repo:shop/orders:ref:refs/heads/main",
        "aud": "https://api.example.com",
        "ref": "refs/heads/main",
        "sha": "1f5a9e6f7d210f8a1c5e6f3b4d298b8e3f5a9e6f",
        "repository": "shop/orders",
        "repository_owner": "shop",
        "actor_id": "12",
        "repository_visibility": "private",
        "repository_id": "74",
        "repository_owner_id": "65",
        "run_id": "1234567890",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "actor": "alice",
        "workflow": "deploy",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_type": "branch",
        "ref_protected": "true",
        "job_workflow_ref": "shop/orders/.github/workflows/deploy.yml@refs/heads/main",
        "iss": "https://token.actions.githubusercontent.com",
        "nbf": SECOND - 600,
        "exp": SECOND + 300,
        "iat": SECOND,
    },
    expected={"sub": "repo:shop/orders:ref:refs/heads/main", "scopes": set()},
    refused={"for another API": {"aud": "https://github.com/shop"}},
    separated={
        "another repository": {
            "repository_id": "75",
            "repository": "mallory/orders",
            "repository_owner": "mallory",
            "sub": "repo:mallory/orders:ref:refs/heads/main",
        },
        "another one that took over the name": {"repository_id": "76", "repository_owner_id": "67"},
        "a pull request": {
            "ref": "refs/pull/5/merge",
            "event_name": "pull_request",
            "sub": "repo:shop/orders:pull_request",
        },
        "another branch": {"ref": "refs/heads/try", "sub": "repo:shop/orders:ref:refs/heads/try"},
    },
    key={**SIGNS, **CERTIFICATE},
    beside=({"kid": "next", **SIGNS, **CERTIFICATE},),
)

APPLE = Shape(
    block="Apple",
    header={"kid": "fh6Bs8C", "alg": "RS256"},
    claims={
        "iss": "https://appleid.apple.com",
        "aud": "com.example.app",
        "exp": SECOND + 86400,
        "iat": SECOND,
        "sub": "001234.a1b2c3d4e5f60718293a4b5c6d7e8f90.0123",
        "nonce": "n-0S6_WzA2Mj",
        "c_hash": "ZmFrZUNIYXNoVmFsdWUxMg",
        "email": "x7k2m9@privaterelay.appleid.com",
        "email_verified": "true",
        "is_private_email": "true",
        "auth_time": SECOND,
        "nonce_supported": True,
    },
    expected={"sub": "001234.a1b2c3d4e5f60718293a4b5c6d7e8f90.0123", "scopes": set()},
    refused={
        "another app": {"aud": "com.example.other"},
        "a notification to the server": {"sub": ..., "events": '{"type": "consent-revoked"}', "jti": "abede1"},
    },
    beside=({"kid": "lVHdOx8ltR", **SIGNS}, {"kid": "YuyXoY", **SIGNS}),
    cache="no-store",
)

DJANGO_OAUTH_TOOLKIT = Shape(
    block="DjangoOAuthToolkit",
    header={"typ": "JWT", "alg": "RS256", "kid": "Qm9nVGh1bWJwcmludE9mVGhlS2V5"},
    claims={
        "aud": "the client_id of your application",
        "iat": SECOND,
        "at_hash": "ZmFrZUFUSGFzaFZhbHVlMQ",
        "sub": "7",
        "iss": "https://accounts.example.com/o",
        "exp": SECOND + 3600,
        "auth_time": SECOND - 60,
        "jti": "5f0c1a52-93f1-4a4f-8f7a-0d1f1f0d1c11",
    },
    expected={"sub": "7", "scopes": set()},
    refused={
        "another application": {"aud": "another client_id"},
        "a token of the default lifetime": {"exp": SECOND + 36000},
    },
    beside=({"kid": "inactive", **SIGNS},),
    cache="public, max-age=3600, stale-while-revalidate=3600, stale-if-error=3600",
)

SHAPES = {
    "django-oauth-toolkit": DJANGO_OAUTH_TOOLKIT,
    "Keycloak": KEYCLOAK,
    "Auth0": AUTH0,
    "Entra ID, version 2": ENTRA,
    "Entra ID, version 1": ENTRA_1,
    "Google": GOOGLE,
    "Okta": OKTA,
    "Cognito, access token": COGNITO,
    "Cognito, ID token": COGNITO_ID,
    "Clerk, version 2": CLERK,
    "Clerk, version 1": CLERK_1,
    "GitLab": GITLAB,
    "GitHub": GITHUB,
    "Apple": APPLE,
}


def changed(claims: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims with these changes; Ellipsis removes one."""
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}
