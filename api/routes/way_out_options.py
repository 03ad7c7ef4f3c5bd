"""The options of a webhook about its way out, as they go over the wire (contract "Options of a webhook")."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import trio
from pydantic import AfterValidator, Field

from api.http.errors import wrong_field
from api.http.mistakes import Mistakes
from api.http.route import Call
from api.http.wire import Input, Output, format_time
from daemon.crypto.certificates import (
    MOST_AUTHORITY_BYTES,
    MOST_CERTIFICATE_BYTES,
    MOST_KEY_BYTES,
    check_authorities,
    check_chain,
    check_key,
    client_certificate,
    own_authorities,
)
from daemon.domain.certificates import CertificateFacts
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.proxy_login import check_password
from daemon.domain.sealed import Sealed
from daemon.domain.way_out_options import IpVersion, ProxyOption
from daemon.domain.webhook_options import WebhookOptions

_IP_VERSION = "The only family of addresses that the receiver is reached at, `4` or `6`. null: whichever answers first."
_PROXY = "A proxy of the webhook's own. null: the way of all others."
_PROXY_URL = "`http://host:port` or `socks5://host:port`, with the user name of a login as `http://user@host:port`."
_MAX_URL_LENGTH = 512
# Where mistakes in certificates are.
CHAIN_PLACE, KEY_PLACE = "$.clientCertificate.certificate", "$.clientCertificate.privateKey"
AUTHORITIES_PLACE = "$.caCertificates"
_CLIENT_CERTIFICATE = "A certificate that is shown to receivers that ask for one (mTLS). null: none."
_CA_CERTIFICATES = (
    "Authorities that the receiver's certificate has to come from, instead of the system's. null: the system's."
)


class NewProxy(Input):
    """A proxy as a client sends it."""

    url: str = Field(min_length=1, max_length=_MAX_URL_LENGTH, description=_PROXY_URL)
    password: Annotated[str, AfterValidator(check_password)] | None = Field(
        default_factory=lambda: None,
        description="The password of the login, never shown again. Left out it stays as long as the URL is the same.",
    )


class ShownProxy(Output):
    """A proxy as it is shown."""

    url: str = Field(description=_PROXY_URL)
    has_password: bool = Field(description="Whether it has a password for its login.")


class NewClientCertificate(Input):
    """A client certificate as a client sends it."""

    certificate: str = Field(
        min_length=1,
        max_length=MOST_CERTIFICATE_BYTES,
        description="PEM: the certificate, then those that vouch for it.",
    )
    private_key: str = Field(
        min_length=1, max_length=MOST_KEY_BYTES, description="Its key in PEM, without a passphrase. Never shown again."
    )


class ShownCertificate(Output):
    """What is shown of a certificate."""

    subject: str = Field(description="Whose it is, as RFC 4514 writes names.")
    issuer: str = Field(description="Who vouches for it.")
    fingerprint: str = Field(description="SHA-256, in hex.")
    not_before: str = Field(description="Since when it counts.")
    not_after: str = Field(description="Until when it counts.")


class WayOutFields(Input):
    """The options that a client may send."""

    ip_version: IpVersion | None = Field(default_factory=lambda: None, description=_IP_VERSION, strict=False)
    proxy: NewProxy | None = Field(default_factory=lambda: None, description=_PROXY)
    client_certificate: NewClientCertificate | None = Field(
        default_factory=lambda: None, description=_CLIENT_CERTIFICATE
    )
    ca_certificates: Annotated[str, Field(min_length=1, max_length=MOST_AUTHORITY_BYTES)] | None = Field(
        default_factory=lambda: None, description=f"{_CA_CERTIFICATES} In PEM, up to 20."
    )


class ShownWayOut(Output):
    """The options as they are shown."""

    ip_version: IpVersion | None = Field(description=_IP_VERSION)
    proxy: ShownProxy | None = Field(description=_PROXY)
    client_certificate: ShownCertificate | None = Field(description=_CLIENT_CERTIFICATE)
    ca_certificates: list[ShownCertificate] | None = Field(description=_CA_CERTIFICATES)


WAY_OUT_EXAMPLE = {
    "ipVersion": None,
    "proxy": {"url": "http://kakiyo@proxy.example.com:3128", "hasPassword": True},
    "clientCertificate": None,
    "caCertificates": None,
}


def given_way_out(body: WayOutFields) -> dict[str, Any]:
    """Return the attributes of `WebhookOptions` that the body means; what is secret is sealed by whoever keeps it."""
    own, authorities = body.client_certificate, body.ca_certificates
    return {
        "ip_version": body.ip_version,
        "proxy": _given_proxy(body.proxy),
        "client_certificate": None if own is None else client_certificate(own.certificate, own.private_key),
        "ca_certificates": None if authorities is None else own_authorities(authorities),
    }


def _given_proxy(proxy: NewProxy | None) -> ProxyOption | None:
    if proxy is None:
        return None
    return ProxyOption(url=proxy.url, password=None if proxy.password is None else Sealed(proxy.password))


def shown_proxy(proxy: ProxyOption | None) -> ShownProxy | None:
    """Return what is shown of it."""
    return None if proxy is None else ShownProxy(url=proxy.url, has_password=proxy.password is not None)


def shown_certificates(options: WebhookOptions) -> dict[str, Any]:
    """Return what is shown of the webhook's certificates."""
    own, authorities = options.client_certificate, options.ca_certificates
    return {
        "client_certificate": None if own is None else _shown(own.facts),
        "ca_certificates": None if authorities is None else [_shown(facts) for facts in authorities.facts],
    }


def _shown(facts: CertificateFacts) -> ShownCertificate:
    return ShownCertificate(
        subject=facts.subject,
        issuer=facts.issuer,
        fingerprint=facts.fingerprint,
        not_before=format_time(facts.not_before),
        not_after=format_time(facts.not_after),
    )


async def certificate_mistakes(
    chain: str | None, key: str | None, authorities: str | None, *, now_ms: int
) -> dict[str, str]:
    """Return what is wrong with certificates that are given, by the field's place: a clause for people."""
    checks: list[tuple[str, Callable[[], None]]] = []
    if chain is not None:
        checks.append((CHAIN_PLACE, partial(check_chain, chain, now_ms)))
    if authorities is not None:
        checks.append((AUTHORITIES_PLACE, partial(check_authorities, authorities, now_ms)))
    if chain is not None and key is not None:
        checks.append((KEY_PLACE, partial(check_key, chain, key)))
    mistakes: dict[str, str] = {}
    for place, check in checks:
        if place == KEY_PLACE and CHAIN_PLACE in mistakes:
            continue
        try:
            await trio.to_thread.run_sync(check)  # a key takes up to some tenths of a second
        except ValueError as error:
            mistakes[place] = str(error)
    return mistakes


async def check_way_out(call: Call, body: WayOutFields, *, team_id: str, mistakes: Mistakes) -> None:
    """Note what is wrong with the certificates and the proxy: its URL, where it leads, or that there may be none."""
    if body.client_certificate is not None or body.ca_certificates is not None:
        own = body.client_certificate
        wrong = await certificate_mistakes(
            None if own is None else own.certificate,
            None if own is None else own.private_key,
            body.ca_certificates,
            now_ms=call.handles.now_ms(),
        )
        for place, sentence in wrong.items():
            mistakes.note(wrong_field(place, sentence))
    if body.proxy is None:
        return
    try:
        await call.handles.check_proxy(body.proxy.url, team_id)
    except UrlNotAllowed as error:
        mistakes.note(wrong_field("$.proxy.url", error.sentence))
