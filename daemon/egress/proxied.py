"""Connecting to a receiver through a proxy, to an address that was checked here unless the proxy resolves."""

import socket
from collections.abc import Callable, Sequence
from functools import partial

import trio

from daemon.egress.addresses import Address
from daemon.egress.errors import NotConnected, ProxyFailed, is_shortage, out_of_descriptors, public_reason
from daemon.egress.proxy import Proxy
from daemon.egress.racing import MoreSockets, NoneConnected, connect_to_first
from daemon.egress.tunnel import NotReached, ProxyFault, open_tunnel
from daemon.egress.urls import Target
from daemon.egress.wire import Wire

AT_THE_PROXY = "connecting to the proxy"
BEYOND_THE_PROXY = "waiting for the proxy to connect"
# The longest time for an address that the proxy cannot reach, while others are left to try.
_LONGEST_TRY_S = 3.0


async def connect_through(
    proxy: Proxy,
    target: Target,
    addresses: Sequence[Address] | None,
    *,
    proxy_addresses: Sequence[Address],
    more: MoreSockets,
    at_stage: Callable[[str], None],
) -> socket.socket:
    """Return a socket that leads to the target: through a proxy at one of its addresses, to the first of `addresses`
    that it reaches, or to the target's name if there are none.

    `at_stage` is told how far it is, in words for the user. Raises ProxyFailed, NotConnected or OutOfDescriptors.
    """
    places: Sequence[str | Address] = (target.host,) if addresses is None else addresses
    failures: dict[str, str] = {}
    on_request = partial(at_stage, BEYOND_THE_PROXY)
    for left, place in zip(range(len(places), 0, -1), places, strict=True):
        at_stage(AT_THE_PROXY)
        connected = await _reach(proxy, proxy_addresses, more)
        failures[str(place)] = "no answer"
        with trio.move_on_after(_patience_s(left)):
            try:
                await open_tunnel(Wire(connected), proxy, host=place, port=target.port, on_request=on_request)
                return connected
            except NotReached as error:
                connected.close()
                failures[str(place)] = str(error)
            except (ProxyFault, OSError) as error:
                connected.close()
                raise _fault_of(proxy, error) from None
            except BaseException:
                connected.close()
                raise
    reasons = ", ".join(dict.fromkeys(failures.values()))
    detail = ", ".join(f"{place}: {reason}" for place, reason in failures.items())
    raise NotConnected(f"no connection to {target.host} port {target.port} through the proxy ({reasons})", detail)


async def _reach(proxy: Proxy, addresses: Sequence[Address], more: MoreSockets) -> socket.socket:
    try:
        return await connect_to_first(addresses, proxy.port, more)
    except NoneConnected as error:
        failures = error.failures
    if any(error is not None and is_shortage(error) for error in failures.values()):
        raise out_of_descriptors()
    reason = ", ".join(dict.fromkeys((error and public_reason(error)) or "no answer" for error in failures.values()))
    detail = ", ".join(f"{address}: {error.strerror if error else 'no answer'}" for address, error in failures.items())
    raise proxy_failed(proxy, f"the proxy cannot be reached ({reason})", detail)


def _fault_of(proxy: Proxy, error: ProxyFault | OSError) -> ProxyFailed:
    if isinstance(error, ProxyFault):
        return proxy_failed(proxy, str(error))
    return proxy_failed(proxy, "the connection to the proxy broke", str(error))


def proxy_failed(proxy: Proxy, sentence: str, detail: str | None = None) -> ProxyFailed:
    """Return the error of a proxy that is itself at fault."""
    return ProxyFailed(sentence, detail, is_operators=proxy.is_operators)


def _patience_s(places_left: int) -> float:
    if places_left == 1:
        return float("inf")
    remaining = trio.current_effective_deadline() - trio.current_time()
    return max(0.0, min(_LONGEST_TRY_S, remaining / places_left))
