"""Certificates and keys as people give them to a webhook, good and wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import trustme
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

PlainKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key in PEM."""

    certificate: str
    key: str

    @property
    def given(self) -> dict[str, str]:
        """The same as the API takes it."""
        return {"certificate": self.certificate, "privateKey": self.key}


def make_identity(authority: trustme.CA, *, expired: bool = False, kind: trustme.KeyType | None = None) -> Identity:
    """Make a client's certificate."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    leaf = authority.issue_cert(
        "client@example.com",
        common_name="client",
        not_after=yesterday if expired else None,
        key_type=kind or trustme.KeyType.ECDSA,
    )
    return Identity(leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode())


def pem_of(authority: trustme.CA) -> str:
    """The certificate of an authority."""
    return authority.cert_pem.bytes().decode()


def key_in_pem(key: PlainKey, protection: KeySerializationEncryption | None = None) -> str:
    """The key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection or NoEncryption()).decode()


def with_passphrase(key: str) -> str:
    """The same key, encrypted."""
    plain = load_pem_private_key(key.encode(), None)
    return plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()
