"""The options of a webhook about its way out, as they go over the wire (contract "Options of a webhook")."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.http.errors import wrong_field
from api.http.mistakes import Mistakes
from api.http.route import Call
from api.http.wire import Input, Output
from daemon.domain.errors import UrlNotAllowed
from daemon.domain.proxy_login import check_password
from daemon.domain.sealed import Sealed
from daemon.domain.way_out_options import IpVersion, ProxyOption

_IP_VERSION = "The only family of addresses that the receiver is reached at, `4` or `6`. null: whichever answers first."
_PROXY = "A proxy of the webhook's own. null: the way of all others."
_PROXY_URL = "`http://host:port` or `socks5://host:port`, with the user name of a login as `http://user@host:port`."
_MAX_URL_LENGTH = 512


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


class WayOutFields(Input):
    """The options that a client may send."""

    ip_version: IpVersion | None = Field(default_factory=lambda: None, description=_IP_VERSION, strict=False)
    proxy: NewProxy | None = Field(default_factory=lambda: None, description=_PROXY)


class ShownWayOut(Output):
    """The options as they are shown."""

    ip_version: IpVersion | None = Field(description=_IP_VERSION)
    proxy: ShownProxy | None = Field(description=_PROXY)


WAY_OUT_EXAMPLE = {"ipVersion": None, "proxy": {"url": "http://kakiyo@proxy.example.com:3128", "hasPassword": True}}


def given_way_out(body: WayOutFields) -> dict[str, Any]:
    """Return the attributes of `WebhookOptions` that the body means; what is secret is sealed by whoever keeps it."""
    return {"ip_version": body.ip_version, "proxy": _given_proxy(body.proxy)}


def _given_proxy(proxy: NewProxy | None) -> ProxyOption | None:
    if proxy is None:
        return None
    return ProxyOption(url=proxy.url, password=None if proxy.password is None else Sealed(proxy.password))


def shown_proxy(proxy: ProxyOption | None) -> ShownProxy | None:
    """Return what is shown of it."""
    return None if proxy is None else ShownProxy(url=proxy.url, has_password=proxy.password is not None)


async def check_way_out(call: Call, body: WayOutFields, *, team_id: str, mistakes: Mistakes) -> None:
    """Note what is wrong with the proxy: its URL, where it leads, or that webhooks may have none."""
    if body.proxy is None:
        return
    try:
        await call.handles.check_proxy(body.proxy.url, team_id)
    except UrlNotAllowed as error:
        mistakes.note(wrong_field("$.proxy.url", error.sentence))
