"""The options of a webhook about its way out: a family of addresses, a proxy (contract "Options of a webhook")."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, structs

from daemon.domain.sealed import Sealed


class IpVersion(StrEnum):
    """The only family of addresses that a webhook's receiver is reached at."""

    IPV4 = "4"
    IPV6 = "6"


class ProxyOption(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A proxy of the webhook's own: its URL, with the user name of the login, and that login's password."""

    url: str
    password: Sealed | None = None


def with_password_kept(before: ProxyOption | None, given: ProxyOption | None) -> ProxyOption | None:
    """Return the proxy that was given, with the password from before if it has the same URL and none is given.

    A password stays with its URL: whoever may only change the URL cannot have it sent elsewhere.
    """
    if given is None or before is None or given.password is not None or given.url != before.url:
        return given
    return structs.replace(given, password=before.password)


def with_password_sealed(proxy: ProxyOption | None, seal: Callable[[str], str]) -> ProxyOption | None:
    """Return the proxy, whose password is a plain one until now, with it sealed."""
    if proxy is None or proxy.password is None:
        return proxy
    return structs.replace(proxy, password=Sealed(seal(proxy.password.sealed)))
