"""What the daemon speaks to, and who speaks to it: name servers, the mail server, the API."""

import smtplib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import trio

from daemon.config.egress_proxy import egress_proxy
from daemon.config.settings import PUBLIC_WITHOUT_TLS, ConfigError, Settings
from daemon.doctor.finding import Finding, failed, ok, skipped, warning
from daemon.domain.bind_address import BindAddress, TcpAddress, is_public, parse_bind
from daemon.egress.proxy import Proxy
from daemon.egress.racing import NoMoreSockets, NoneConnected, connect_to_first
from daemon.egress.resolver import Resolver
from daemon.egress.tunnel import NotReached, ProxyFault, open_tunnel
from daemon.egress.wire import Wire
from daemon.files.kept_addresses import kept_addresses
from daemon.mail.session import close_session, connect, explain, open_session
from daemon.maintenance.state_dir import is_in_use

_WITHIN_S = 5
# An address that leads nowhere (RFC 5737).
_NOWHERE = ip_address("192.0.2.1")


def check_dns(settings: Settings, urls: Iterable[str]) -> Iterator[Finding]:
    """Whether names resolve: those of the receivers at `urls`, and the mail server's."""
    names = _names(settings, urls)
    if not names:
        yield skipped("DNS", "there is no webhook and no mail server whose name could be looked up")
        return
    unknown = trio.run(_unresolved, names, settings)
    if not unknown:
        yield ok("DNS", f"{', '.join(names)} resolve")
    elif len(unknown) < len(names):
        yield warning("DNS", f"{', '.join(unknown)} cannot be resolved", "Ask whoever runs those receivers.")
    else:
        finding = f"none of {', '.join(names)} can be resolved within {_WITHIN_S} s"
        yield failed("DNS", finding, "Check the name servers in /etc/resolv.conf, and the firewall before them.")


def _names(settings: Settings, urls: Iterable[str]) -> list[str]:
    hosts = [settings.smtp.host] if settings.smtp.host else []
    if not settings.egress.proxy_resolves:
        hosts += [urlsplit(url).hostname or "" for url in urls]
    return list(dict.fromkeys(host for host in hosts if host and not _is_address(host)))


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


async def _unresolved(names: list[str], settings: Settings) -> list[str]:
    resolver = Resolver(settings.egress.nameservers)
    resolved: set[str] = set()

    async def look_up(name: str) -> None:
        with trio.move_on_after(_WITHIN_S):
            try:
                await resolver.resolve(name)
            except OSError:
                return
            resolved.add(name)

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(look_up, name)
    return [name for name in names if name not in resolved]


def check_proxy(settings: Settings) -> Iterator[Finding]:
    """Whether the proxy on the way out can be reached and takes the login; nothing is sent beyond it."""
    if not settings.egress.proxy:
        yield skipped("proxy", "no proxy is set: receivers are reached directly")
        return
    try:
        proxy = egress_proxy(settings.egress)
        assert proxy is not None, "the settings name one"
        trio.run(_try_proxy, proxy, settings)
    except (ConfigError, OSError, ProxyFault, NoneConnected, trio.TooSlowError) as error:
        reason = "it cannot be reached" if isinstance(error, NoneConnected | trio.TooSlowError) else str(error)
        yield failed(
            "proxy", f"{settings.egress.proxy}: {reason}", "Deliveries wait until that is fixed; none is lost."
        )
        return
    yield ok("proxy", f"{settings.egress.proxy} is reached{' and takes the login' if proxy.username else ''}")


async def _try_proxy(proxy: Proxy, settings: Settings) -> None:
    with trio.fail_after(_WITHIN_S):
        addresses = await Resolver(settings.egress.nameservers).resolve(proxy.host)
        connected = await connect_to_first(addresses, proxy.port, NoMoreSockets())
    with connected, trio.move_on_after(_WITHIN_S), suppress(NotReached):  # the login is looked at before the place
        await open_tunnel(Wire(connected), proxy, host=_NOWHERE, port=443)


def check_mail(settings: Settings) -> Iterator[Finding]:
    """Whether the mail server can be reached, secured and logged in to; sends nothing."""
    smtp = settings.smtp
    if not smtp.host:
        yield skipped("mail", f"no mail server is set: mail is written to {settings.state_dir / 'Maildir'}")
        return
    address = f"{smtp.host}:{smtp.port}"
    try:
        close_session(trio.run(_open_mail_session, settings))
    except (OSError, ValueError, trio.TooSlowError) as error:
        reason = explain(smtp, TimeoutError() if isinstance(error, trio.TooSlowError) else error)
        yield failed("mail", reason, "Mails wait until that is fixed; none is lost.")
        return
    yield ok("mail", f"{address} is reached{' and takes the login' if smtp.username else ''}")


async def _open_mail_session(settings: Settings) -> smtplib.SMTP:
    with trio.fail_after(3 * _WITHIN_S):
        connection = await connect(settings.smtp)
        connection.settimeout(_WITHIN_S)
        return await trio.to_thread.run_sync(open_session, settings.smtp, connection, abandon_on_cancel=True)


def check_listener(settings: Settings) -> Iterator[Finding]:
    """Whether keys and payloads may cross a network readable: a public address without TLS before it."""
    public = [str(address) for address in _listening(settings) if is_public(address)]
    if public and not settings.has_tls_before_it:
        finding = f"the API listens on {', '.join(public)} without TLS"
        yield warning("listener", finding, f"{PUBLIC_WITHOUT_TLS[0].upper()}{PUBLIC_WITHOUT_TLS[1:]}.")
    else:
        yield ok("listener", "the API listens on no public address, or https is before it")


def _listening(settings: Settings) -> Sequence[BindAddress]:
    """Where the daemon that runs listens, else where the next one will."""
    if kept := kept_addresses(settings.state_dir):
        return kept
    address = parse_bind(settings.api.bind)
    if not isinstance(address, TcpAddress):
        return [address]
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return [address]
    return [TcpAddress(str(at[0]), address.port) for *_, at in found]


def check_api(settings: Settings, ready: Callable[[], str]) -> Iterator[Finding]:
    """Whether the daemon answers and takes events; `ready` asks it and returns its address, or raises."""
    try:
        address = ready()
    except Exception as error:
        runs = "a daemon uses" if is_in_use(settings.state_dir) else "no daemon uses"
        advice = 'Look at "systemctl status kakiyo-webhooks" and "kakiyo-webhooks logs --level warning".'
        yield failed("API", f"{error} ({runs} {settings.state_dir})", advice)
        return
    yield ok("API", f"{address} answers, takes the operator's key, and is ready")
