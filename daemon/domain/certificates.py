"""A webhook's certificates: the one that it shows to its receiver, and the authorities that it trusts."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from daemon.domain.sealed import Sealed

# A fingerprint tells certificates apart: of a long name its beginning is enough.
_LONGEST_TOLD_NAME = 64


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


def as_told(kept: Any) -> Any:
    """Return what the audit trail tells of certificates (a JSON value as it is kept): whose they are, not their PEM."""
    facts = kept["facts"]
    return [_whose(each) for each in facts] if isinstance(facts, (list, tuple)) else _whose(facts)


def _whose(facts: Any) -> dict[str, str]:
    name = facts["subject"]
    short = name if len(name) <= _LONGEST_TOLD_NAME else f"{name[: _LONGEST_TOLD_NAME - 1]}…"
    return {"subject": short, "fingerprint": facts["fingerprint"]}
