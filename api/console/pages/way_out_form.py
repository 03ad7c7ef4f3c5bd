"""The options of a webhook about its way out, in its form and on its page."""

from collections.abc import Mapping
from typing import Any

from api.console.session.forms import Form
from api.console.session.page_request import PageRequest
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.webhook_options import WebhookOptions

WAY_OUT_MISTAKES = {
    "ipVersion": "Choose one of the list.",
    "proxy": "Enter http://host:port or socks5://host:port, and a password of 1 to 255 bytes, or leave it empty.",
}


def read_way_out(form: Form) -> Mapping[str, Any]:
    """Return the options that the form has, by their names in the API. A password is only there if one was typed."""
    options: dict[str, Any] = {}
    if form.has("ipVersion"):
        options["ipVersion"] = form.text("ipVersion") or None
    if form.has("proxy"):
        password = {"password": form.exact("proxyPassword")} if form.exact("proxyPassword") else {}
        options["proxy"] = {"url": form.text("proxy"), **password} if form.text("proxy") else None
    return options


async def way_out_mistakes(request: PageRequest, team_id: str, options: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the mistake in where the proxy leads, by its field, if there is one."""
    proxy = options.get("proxy")
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
    return facts
