"""The cost of each algorithm, for a token that was seen before and for a new one."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.test import override_settings

from benchmarks.contenders import OPEN
from benchmarks.measure import Server, interleaved

KEYS: dict[str, Any] = {
    "HS256": lambda: None,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def measure(user: Any, rounds: int) -> dict[str, dict[str, float]]:
    """
    Measure each algorithm in microseconds.

    Returns:
        "warm": a request with a known token, over an open view; "cold": the verification alone; "pyjwt": PyJWT's own
        decode.
    """
    results = {}
    for algorithm, make in KEYS.items():
        key = make()
        pem = key and key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        with override_settings(JWT_AUTH={**settings.JWT_AUTH, "ALGORITHM": algorithm, "SIGNING_KEY": pem}):
            results[algorithm] = _measure(user, rounds)
    return results


def _measure(user: Any, rounds: int) -> dict[str, float]:
    import jwt

    from jwt_auth import sessions, verification
    from jwt_auth.keyring.stored import own_keys

    raw, key = sessions.start(user).access_token, own_keys().signing
    server, headers = Server(), {"HTTP_AUTHORIZATION": f"Bearer {raw}"}
    calls = {
        "open": server.get(f"/ping/{OPEN.name}/", {}),
        "warm": server.get("/ping/jwt_auth_memory/", headers),
        "cold": lambda: verification.identify_only(raw),
        "pyjwt": lambda: jwt.decode(raw, key.verifying, algorithms=[key.algorithm], audience="jwt_auth"),  # type: ignore[arg-type]
    }
    medians = interleaved(calls, rounds=rounds, per_round=10)
    return {
        "warm": (medians["warm"] - medians["open"]) * 1e6,
        "cold": medians["cold"] * 1e6,
        "pyjwt": medians["pyjwt"] * 1e6,
    }
