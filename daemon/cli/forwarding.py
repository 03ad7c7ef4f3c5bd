"""`listen --forward-to`: each delivery goes on to a server of the user's, whose answer is the delivery's answer."""

from contextlib import aclosing
from urllib.parse import urlsplit

import httpx
import trio

from daemon.cli.exits import CommandError, ExitCode
from daemon.demo.receiver import ReceivedRequest, Response

_TIMEOUT_S = 9.5  # the daemon gives up after 10 s, and would not learn why
_LONGEST_BODY = 64 * 1024  # the daemon keeps 4 KiB
# Of one connection alone (RFC 9110, 7.6.1); httpx writes its own.
_OF_THE_CONNECTION = frozenset(
    {"connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_PASSED_BACK = ("content-type", "content-encoding", "location", "retry-after")


def parse_target(url: str) -> str:
    """Return the URL to forward to, with its scheme; without a path each request keeps its own.

    Raises CommandError (USAGE) for what is no URL of a server.
    """
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(whole)
    except (ValueError, httpx.InvalidURL):
        is_url = False
    if not is_url:
        raise CommandError(f"--forward-to {url}: no URL of a server: give http://localhost:3000.", ExitCode.USAGE)
    return whole


class Forwarder:
    """Passes requests on to one URL: method, headers and the bytes of the body as they came."""

    def __init__(self, target: str, http: httpx.AsyncClient) -> None:
        self.target = target
        self._http = http

    async def forward(self, request: ReceivedRequest) -> Response:
        """Return what the server answers; a sentence with 502 if it cannot be reached, with 504 if it is too slow."""
        url = httpx.URL(self.target)
        if url.path in ("", "/") and not url.query:
            url = url.copy_with(raw_path=request.path.encode())
        headers = [each for each in request.headers if each[0] not in _OF_THE_CONNECTION]
        passed_on = httpx.Request(request.method, url, headers=headers, content=request.body)
        try:
            with trio.fail_after(_TIMEOUT_S):
                return await self._exchange(passed_on)
        except trio.TooSlowError:
            return _failure(504, f"{self.target} did not answer within {_TIMEOUT_S:g} s.")
        except httpx.ConnectError:
            return _failure(502, f"{self.target} cannot be reached: start your server, or correct the URL.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _failure(502, f"{self.target} does not answer in HTTP ({error}).")

    async def _exchange(self, request: httpx.Request) -> Response:
        response = await self._http.send(request, stream=True)
        async with aclosing(response):
            body = b""
            async for part in response.aiter_raw():
                body += part
                if len(body) > _LONGEST_BODY:
                    break
        headers = tuple((name, response.headers[name]) for name in _PASSED_BACK if name in response.headers)
        return Response(response.status_code, headers, body)


def forwarding_client() -> httpx.AsyncClient:
    """Return the client to forward with: no proxy, no redirect followed, no connection kept that may have ended."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=2 * _TIMEOUT_S, limits=limits)


def _failure(status: int, sentence: str) -> Response:
    return Response(status, (("content-type", "text/plain; charset=utf-8"),), f"{sentence}\n".encode())
