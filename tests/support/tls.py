"""Self-signed certificates, and servers that speak TLS with them."""

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.keys import pem


def write_certificate(folder: Path, key: Any, *names: str) -> Path:
    """
    Write a certificate for these host names, signed with `key` itself, and return the folder.

    `certificate.pem` is for clients that shall trust it, and `both.pem` has the key as well.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        # Python 3.13 and later check a certificate as strictly as RFC 5280 says.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage("digital_signature", "key_cert_sign"), critical=True)
        .sign(key, SHA256())
    )
    text = certificate.public_bytes(Encoding.PEM).decode()
    (folder / "certificate.pem").write_text(text)
    (folder / "both.pem").write_text(text + pem(key))
    return folder


def _usage(*allowed: str) -> x509.KeyUsage:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in allowed for name in names})


def server_context(folder: Path) -> ssl.SSLContext:
    """Return what a server needs to show the certificate that `write_certificate` put into the folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
