"""
The key of a client, read from a secret as the server showed it, a PEM, a JWK, or a file with one of these.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from jwt_auth.jose import jwk
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.validation import check_public_key

KeyMaterialSource: TypeAlias = str | bytes | Path | Mapping[str, Any]


def read(source: KeyMaterialSource) -> jwk.KeyMaterial:
    """
    Return the key in `source`. Only a `Path` is read as a file: a text that is neither PEM nor JWK is a secret.

    Raises:
        ValueError: if there is no key that can sign, or its public half is one that the server refuses as weak.
        OSError: if the file can't be read.
    """
    key = _read(source)
    if not isinstance(key, bytes | jwk.PrivateKey):
        raise ValueError("the key is neither a secret nor a private key of RSA, EC or Ed25519, and can't sign")
    if not isinstance(key, bytes):
        check_public_key(key.public_key())
    return key


def _read(source: KeyMaterialSource) -> Any:
    if isinstance(source, Mapping):
        return jwk.load(source)
    if isinstance(source, Path):
        document = source.read_bytes()
    else:
        document = source.encode() if isinstance(source, str) else source
    document = document.strip()  # a file ends in a line break, a secret doesn't
    if b"-----BEGIN" in document:
        return _read_pem(document)
    return jwk.load(json_object(document)) if document.startswith(b"{") else document


def _read_pem(document: bytes) -> Any:
    try:
        return load_pem_private_key(document, password=None)
    except TypeError:
        raise ValueError("the PEM is encrypted: store it unencrypted, protected by file permissions") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the PEM contains no readable private key") from None
