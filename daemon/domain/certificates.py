"""A webhook's certificates: the one that it shows to its receiver, and the authorities that it trusts."""

from collections.abc import Callable

from msgspec import Struct, structs

from daemon.domain.sealed import Sealed


class CertificateFacts(Struct, frozen=True, rename="camel"):
    """What is shown of a certificate: names as RFC 4514 writes them, SHA-256 in hex, and its time in ms."""

    subject: str
    issuer: str
    fingerprint: str
    not_before: int
    not_after: int


class ClientCertificate(Struct, frozen=True, rename="camel"):
    """A certificate with those that vouch for it (PEM, its own first), its key, and what is shown of it."""

    certificate: str
    private_key: Sealed
    facts: CertificateFacts


class OwnAuthorities(Struct, frozen=True):
    """Authorities that stand in for the system's (PEM), and what is shown of each."""

    certificates: str
    facts: tuple[CertificateFacts, ...]


def with_key_sealed(given: ClientCertificate | None, seal: Callable[[str], str]) -> ClientCertificate | None:
    """Return the certificate, whose key is a plain one until now, with it sealed."""
    return given and structs.replace(given, private_key=Sealed(seal(given.private_key.sealed)))
