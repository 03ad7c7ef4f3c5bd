"""Which URLs a webhook may have (contract "HTTP API", bad input): checked at registration and at every connect."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import trio

from daemon.domain.errors import UrlNotAllowed
from daemon.domain.printable import is_harmless
from daemon.egress.addresses import Address, Network, parse_address, refusal
from daemon.egress.resolver import Resolve
from daemon.egress.special_names import inside_name

MAX_URL_LENGTH = 2048
_LOOKUP_TIMEOUT_S = 3.0
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)

# Browsers and some resolvers parse such names as IPv4 addresses, or refuse them; no top-level domain is a number.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What may be reached beyond https to public addresses."""

    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: `host` is a lower-case ASCII name (IDNA) or an address without brackets."""

    scheme: str
    host: str
    port: int


def parse_target(url: str, allow_http: bool = False) -> Target:
    """Return the target of the URL, without resolving its host.

    Raises UrlNotAllowed with `rule` one of length, characters, scheme, user_info, fragment, host, port.
    """
    _check_text(url)
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _refused_by_parser(error) from None
    _check_scheme(parsed.scheme, allow_http)
    _check_authority(re.split("[/?]", url.partition("//")[2], maxsplit=1)[0])
    port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    if not 0 < port < 65536:
        raise UrlNotAllowed("port", f"the URL's port {port} does not exist: use 1 to 65535")
    return Target(parsed.scheme, checked_host(parsed.raw_host.decode("ascii")), port)


def permitted_target(url: str, rules: EgressRules) -> Target:
    """Return the target of the URL, after all checks but those of its host's addresses.

    Raises UrlNotAllowed as `parse_target` does, and with the rule `inside_name` for a name of a private network: the
    operator would have to allow it.
    """
    target = parse_target(url, rules.allow_http)
    require_public_name(target.host, rules)
    return target


def require_public_name(host: str, rules: EgressRules) -> None:
    """Raise UrlNotAllowed with the rule `inside_name` for a name of a private network, unless networks are allowed."""
    is_name = parse_address(host) is None
    if is_name and not rules.allow_networks and (why := inside_name(host)) is not None:
        advice = "use a public receiver, or have the operator allow its network in egress.allow_networks"
        raise UrlNotAllowed("inside_name", f"{host} cannot be a public receiver ({why}): {advice}")


async def check_url(url: str, rules: EgressRules, resolve: Resolve) -> None:
    """Raise UrlNotAllowed if a webhook may not have this URL; `rule` is `address` if its host is not public.

    Takes at most 3 s. A host that does not resolve within that time is accepted: every connect checks again.
    """
    target = permitted_target(url, rules)
    if (refused := refusal(target.host, await _addresses_now(target, resolve), rules.allow_networks)) is not None:
        raise UrlNotAllowed("address", refused.sentence, refused.detail)


async def _addresses_now(target: Target, resolve: Resolve) -> Sequence[Address]:
    if (literal := parse_address(target.host)) is not None:
        return (literal,)
    with trio.move_on_after(_LOOKUP_TIMEOUT_S):
        try:
            return await resolve(target.host, target.port)
        except OSError:
            return ()
    return ()


async def check_host(host: str, port: int, rules: EgressRules, *, resolve: Resolve) -> None:
    """Raise UrlNotAllowed as `check_url` does for where a host leads, whatever is spoken there."""
    require_public_name(host, rules)
    target = Target("https", host, port)
    if (refused := refusal(host, await _addresses_now(target, resolve), rules.allow_networks)) is not None:
        raise UrlNotAllowed("address", refused.sentence, refused.detail)


def _can_be_shown(character: str) -> bool:
    return character.isprintable() and is_harmless(character)


def _check_text(url: str) -> None:
    if len(url) > MAX_URL_LENGTH:
        raise UrlNotAllowed("length", f"the URL has {len(url)} characters: use at most {MAX_URL_LENGTH}")
    if any(character.isspace() or character == "\\" or not _can_be_shown(character) for character in url):
        raise UrlNotAllowed("characters", "the URL contains a space, control character or backslash: percent-encode it")
    if "#" in url:
        raise UrlNotAllowed("fragment", "the URL has a fragment, which is never sent: remove the # and what follows it")


def _check_scheme(scheme: str, allow_http: bool) -> None:
    if scheme not in _DEFAULT_PORTS:
        raise UrlNotAllowed("scheme", "the URL is not https: use a full URL that begins with https://")
    if scheme == "http" and not allow_http:
        raise UrlNotAllowed("scheme", "the URL is http, which anyone on the way can read: use https")


def _check_authority(authority: str) -> None:
    if "@" in authority:
        raise UrlNotAllowed(
            "user_info", "the URL has a user name or password before its host: remove it, and use a secret"
        )
    port = authority.rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdecimal()):  # httpx takes what int() takes, such as +443 and 4_43
        raise UrlNotAllowed("port", "the URL's port is not a number: use 1 to 65535")


def checked_host(host: str) -> str:
    """Return a valid host, an address without a final dot. Raises UrlNotAllowed for any other."""
    if not host:
        raise UrlNotAllowed("host", "the URL has no host: use a full URL such as https://hooks.example.com/path")
    name = host.removesuffix(".")
    if "%" not in host and parse_address(name) is not None:
        return name
    if _NAME.fullmatch(name) is None or _ENDS_IN_A_NUMBER.fullmatch(name) is not None:
        raise UrlNotAllowed("host", "the URL's host is not a valid name or address: correct it")
    return host


def _refused_by_parser(error: httpx.InvalidURL) -> UrlNotAllowed:
    if "port" in str(error):
        return UrlNotAllowed("port", "the URL's port is not a number: use 1 to 65535")
    return UrlNotAllowed("host", "the URL's host is not a valid name or address: correct it")
