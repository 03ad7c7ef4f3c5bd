"""Reads and checks the certificates that people give a webhook (contract "Options of a webhook").

Checking a key takes up to some tenths of a second: that is for a thread. All errors are ValueError, with a sentence.
"""

import ssl
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from daemon.domain.certificates import CertificateFacts, ClientCertificate, OwnAuthorities
from daemon.domain.printable import is_harmless
from daemon.domain.sealed import Sealed
from daemon.egress.client_tls import ClientTls, own_tls_context

MOST_CERTIFICATE_BYTES, MOST_KEY_BYTES, MOST_AUTHORITY_BYTES = 16 * 1024, 4 * 1024, 32 * 1024
_MOST_IN_CHAIN, _MOST_AUTHORITIES = 5, 20
_RSA_BITS = range(2048, 4096 + 1)
_KEY_TYPES = "use RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519"
_LONGEST_NAME = 256

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def client_certificate(chain: str, key: str) -> ClientCertificate:
    """Return the certificate of a chain that was checked, its key still in plain."""
    first, *_ = certificates = _certificates(chain)
    return ClientCertificate(_pem(certificates), Sealed(_key_pem(key)), _facts(first))


def own_authorities(bundle: str) -> OwnAuthorities:
    """Return the authorities of a bundle that was checked."""
    certificates = _certificates(bundle)
    return OwnAuthorities(_pem(certificates), tuple(map(_facts, certificates)))


def check_chain(chain: str, now_ms: int) -> None:
    """Raise ValueError unless this is a certificate that counts now, with at most four that vouch for it."""
    certificates = _certificates(chain)
    if len(certificates) > _MOST_IN_CHAIN:
        raise ValueError(f"has {len(certificates)} certificates: send at most {_MOST_IN_CHAIN}, its own first")
    _check_time(certificates[0], now_ms, "the certificate")


def check_key(chain: str, key: str) -> None:
    """Raise ValueError unless the key is one that TLS takes, and that of the chain's first certificate."""
    private = _private_key(key)
    try:
        owners = [one.public_key() == private.public_key() for one in _certificates(chain)]
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("does not belong to the certificate: send the key that it was issued for") from None
    if not owners[0]:
        place = "is that of another certificate in the chain: put that one first"
        raise ValueError(place if any(owners) else "does not belong to the certificate: send the one it was issued for")
    _try(ClientTls(certificate=_pem(_certificates(chain)), private_key=_key_pem(key)), "the certificate and key")


def check_authorities(bundle: str, now_ms: int) -> None:
    """Raise ValueError unless these are certificates of authorities that count now, 20 at most."""
    certificates = _certificates(bundle)
    if len(certificates) > _MOST_AUTHORITIES:
        raise ValueError(f"has {len(certificates)} certificates: send at most {_MOST_AUTHORITIES}")
    for number, certificate in enumerate(certificates, 1):
        if not _is_authority(certificate):
            raise ValueError(f"certificate {number} is not that of an authority (CA:TRUE): leave it out")
        _check_time(certificate, now_ms, f"certificate {number}")
    _try(ClientTls(authorities=_pem(certificates)), "the certificates")


def _certificates(text: str) -> Sequence[x509.Certificate]:
    if "PRIVATE KEY" in text:
        raise ValueError("has a private key in it: send certificates only")
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
        for certificate in certificates:
            _facts(certificate)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not one or more certificates in PEM (-----BEGIN CERTIFICATE-----): correct it") from None
    return certificates


def _private_key(text: str, *, is_checked: bool = False) -> PrivateKey:
    if "ENCRYPTED" in text:
        raise ValueError("is encrypted: send it without a passphrase, it is sealed here")
    try:
        key = load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=is_checked)
    except TypeError:
        raise ValueError("is encrypted: send it without a passphrase, it is sealed here") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a private key in PEM (-----BEGIN PRIVATE KEY-----): correct it") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size in _RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise ValueError(f"is of a kind that is not taken: {_KEY_TYPES}")


def _key_pem(key: str) -> str:
    return _private_key(key, is_checked=True).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    return CertificateFacts(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=_ms(certificate.not_valid_before_utc),
        not_after=_ms(certificate.not_valid_after_utc),
    )


def _name(name: x509.Name) -> str:
    text = "".join(one if one.isprintable() and is_harmless(one) else "\ufffd" for one in name.rfc4514_string())
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _ms(time: datetime) -> int:
    return int(time.timestamp()) * 1000


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _check_time(certificate: x509.Certificate, now_ms: int, which: str) -> None:
    if _ms(certificate.not_valid_after_utc) <= now_ms:
        raise ValueError(f"{which} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: send one that counts")


def _try(tls: ClientTls, what: str) -> None:
    try:
        own_tls_context(tls, ca_file=None)
    except ssl.SSLError as error:
        reason = (error.reason or "unknown reason").lower().replace("_", " ")
        raise ValueError(f"{what} cannot be used for TLS ({reason}): send others") from None
