"""The options of a webhook about its way out, in its form and on its page."""

from collections.abc import Mapping
from typing import Any

from api.console.session.forms import Form
from api.console.session.page_request import PageRequest
from api.http.wire import format_time
from api.routes.way_out_options import AUTHORITIES_PLACE, CHAIN_PLACE, KEY_PLACE, certificate_mistakes
from daemon.domain.certificates import CertificateFacts
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.webhook_options import WebhookOptions

WAY_OUT_MISTAKES = {
    "ipVersion": "Choose one of the list.",
    "proxy": "Enter http://host:port or socks5://host:port, and a password of 1 to 255 bytes, or leave it empty.",
    "clientCertificate": "Enter the certificate and its key in PEM, at most 16 KiB and 4 KiB, or leave both empty.",
    "caCertificates": "Enter certificates in PEM, at most 32 KiB, or leave it empty.",
}
_FIELDS = {CHAIN_PLACE: "clientCertificate", KEY_PLACE: "clientKey", AUTHORITIES_PLACE: "caCertificates"}


def read_way_out(form: Form) -> Mapping[str, Any]:
    """Return the options that the form has, by their names in the API. A password is only there if one was typed."""
    options: dict[str, Any] = {}
    if form.has("ipVersion"):
        options["ipVersion"] = form.text("ipVersion") or None
    if form.has("proxy"):
        password = {"password": form.exact("proxyPassword")} if form.exact("proxyPassword") else {}
        options["proxy"] = {"url": form.text("proxy"), **password} if form.text("proxy") else None
    return {**options, **_read_certificates(form)}


def _read_certificates(form: Form) -> Mapping[str, Any]:
    """Return those that were typed; what is left empty stays, unless it is to be removed."""
    options: dict[str, Any] = {}
    chain, key, authorities = (form.text(name) for name in _FIELDS.values())
    if chain or key:
        options["clientCertificate"] = {"certificate": chain, "privateKey": key}
    elif form.has("removeClientCertificate"):
        options["clientCertificate"] = None
    if authorities:
        options["caCertificates"] = authorities
    elif form.has("removeCaCertificates"):
        options["caCertificates"] = None
    return options


async def way_out_mistakes(request: PageRequest, team_id: str, options: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the mistakes in the certificates and in where the proxy leads, by their fields."""
    own = options.get("clientCertificate") or {}
    wrong = await certificate_mistakes(
        own.get("certificate"), own.get("privateKey"), options.get("caCertificates"), now_ms=request.handles.now_ms()
    )
    mistakes = {_FIELDS[place]: f"This {clause}." for place, clause in wrong.items()}
    return {**mistakes, **await _proxy_mistake(request, team_id, options.get("proxy"))}


async def _proxy_mistake(request: PageRequest, team_id: str, proxy: Mapping[str, Any] | None) -> Mapping[str, str]:
    if proxy is None:
        return {}
    try:
        await request.handles.check_proxy(proxy["url"], team_id)
    except UrlNotAllowed as error:
        return {"proxy": f"{error.sentence[0].upper()}{error.sentence[1:]}."}
    return {}


def way_out_facts(options: WebhookOptions) -> list[tuple[str, str]]:
    """Return what the webhook's page says of each option that is not as usual: its name and its value."""
    facts = []
    if options.ip_version is not None:
        facts.append(("Addresses", f"IPv{options.ip_version} only"))
    if options.proxy is not None:
        login = ", with a password" if options.proxy.password else ""
        facts.append(("Proxy", f"{options.proxy.url}{login}"))
    if (own := options.client_certificate) is not None:
        facts.append(("Client certificate", _certificate_fact(own.facts)))
    if options.ca_certificates is not None:
        facts.extend(("Trusted authority", _certificate_fact(one)) for one in options.ca_certificates.facts)
    return facts


def _certificate_fact(facts: CertificateFacts) -> str:
    until = format_time(facts.not_after)[:10]
    return f"{facts.subject}, from {facts.issuer}, until {until}, SHA-256 {facts.fingerprint}"
