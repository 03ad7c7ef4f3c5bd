"""The client of a running daemon's HTTP API (contract "HTTP API"), with its refusals turned into sentences."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from daemon.cli.connection import Connection, find_connection
from daemon.cli.exchange import TIMEOUT_S, AnswerTooLong, AnswerTooSlow, exchange
from daemon.cli.exits import DEBUG_VARIABLE, CommandError, ExitCode
from daemon.cli.options import ApiOptions

_NO_SEGMENTS = frozenset({"", ".", ".."})  # RFC 3986, 5.2.4: clients remove dots before they ask
Query = Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer: the body as it came, and as Python values (None for 204)."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Calls to one daemon. Every method raises CommandError when it refuses or cannot be reached."""

    http: httpx.Client
    address: str

    def get(self, path: str, query: Query | None = None) -> Reply:
        """GET; members of `query` that are None are left out."""
        return self._call("GET", path, params=present(query or {}))

    def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        """Send `body` as JSON."""
        headers = {**(headers or {}), "content-type": "application/json"}
        return self._call(method, path, content=json_bytes(body), headers=headers)

    def send_raw(self, path: str, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Reply:
        """POST bytes as they are."""
        return self._call("POST", path, content=content, headers={**(headers or {}), "content-type": media_type})

    def delete(self, path: str) -> Reply:
        """DELETE."""
        return self._call("DELETE", path)

    def pages(self, path: str, query: Query) -> Iterator[Reply]:
        """GET one page after the other, until there is no next cursor."""
        page, seen = self.get(path, query), set[str]()
        yield page
        while cursor := page.value["nextCursor"]:
            if cursor in seen:
                raise _stranger(self.address, "gives the same cursor again and again")
            seen.add(cursor)
            page = self.get(path, {**query, "cursor": cursor})
            yield page

    def _call(self, method: str, path: str, **arguments: Any) -> Reply:
        try:
            return _checked(exchange(self.http, method, path, **arguments), self.address)
        except (httpx.TimeoutException, AnswerTooSlow):
            raise _unreachable(self.address, f"it did not answer within {TIMEOUT_S} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise CommandError(f"{self.address}: not an address of the API: {error}.", ExitCode.USAGE) from None
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            raise _stranger(self.address, "does not answer in HTTP, or broke off") from None
        except AnswerTooLong:
            raise _stranger(self.address, "answers without end") from None
        except (httpx.LocalProtocolError, UnicodeEncodeError) as error:
            raise CommandError(
                f"The request cannot be sent ({error}): give options and arguments as UTF-8 text.", ExitCode.USAGE
            ) from None
        except UnicodeError as error:  # its host is no name
            raise CommandError(f"{self.address}: not an address of the API: {error}.", ExitCode.USAGE) from None
        except httpx.TransportError as error:
            raise _unreachable(self.address, str(error) or type(error).__name__) from None


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are not None: an option that was not given is no field."""
    return {name: value for name, value in members.items() if value is not None}


def path_of(*segments: str) -> str:
    """Return the path under /v1 with each segment escaped, so that no id can lead elsewhere.

    Raises CommandError (NOT_FOUND) for a segment that a path cannot hold: nothing has such an id.
    """
    if any(segment in _NO_SEGMENTS for segment in segments):
        raise CommandError("There is nothing with such an id: check it.", ExitCode.NOT_FOUND)
    return "/v1/" + "/".join(quote(os.fsencode(segment), safe="") for segment in segments)


def json_bytes(body: Mapping[str, Any]) -> bytes:
    """Return the JSON text. Raises CommandError (USAGE) for an argument that was not UTF-8."""
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise CommandError(
            f"{error.object[error.start :][:20]!a}: an argument is not UTF-8 text: correct it.", ExitCode.USAGE
        ) from None


@contextmanager
def connect(api: ApiOptions) -> Iterator[Client]:
    """Give the client for the daemon that the options, the environment or the settings name.

    Within the block an answer that lacks what the daemon's answers have is a CommandError (UNREACHABLE).
    """
    connection = find_connection(api.api_url, api.config, api.state_dir)
    with _http_client(connection) as http:
        try:
            yield Client(http, connection.address)
        except (KeyError, IndexError, TypeError, AttributeError):
            if os.environ.get(DEBUG_VARIABLE):
                raise
            raise _stranger(connection.address, "does not answer as one does") from None


def _http_client(connection: Connection) -> httpx.Client:
    try:
        return httpx.Client(
            base_url=connection.base_url,
            headers={"authorization": f"Bearer {connection.key}"},
            timeout=TIMEOUT_S,
            transport=httpx.HTTPTransport(uds=connection.socket_path, trust_env=False),
            trust_env=False,
        )
    except (httpx.InvalidURL, UnicodeError) as error:
        raise CommandError(f"{connection.address}: not an address of the API: {error}.", ExitCode.USAGE) from None


def _unreachable(address: str, reason: str) -> CommandError:
    return CommandError(
        f"The daemon cannot be reached at {address} ({reason}): "
        "start it with `kakiyo-webhooks serve`, or name it with --api-url.",
        ExitCode.UNREACHABLE,
    )


def _checked(response: httpx.Response, address: str) -> Reply:
    if response.status_code == HTTPStatus.NO_CONTENT:
        return Reply("", None)
    if response.is_success:
        return Reply(response.text, _parse(response, address))
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        raise _stranger(address, f"answered {response.status_code} {response.reason_phrase}")
    exit_code = ExitCode.NOT_FOUND if response.status_code == HTTPStatus.NOT_FOUND else ExitCode.REFUSED
    raise CommandError(_explain(_parse(response, address)), exit_code)


def _parse(response: httpx.Response, address: str) -> Any:
    try:
        return response.json(parse_int=_number)
    except (ValueError, RecursionError):
        raise _stranger(address, "does not answer in JSON") from None


def _number(digits: str) -> int | float:
    """Return a whole number of any length: the data of an event may hold one that Python makes no int of."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _stranger(address: str, why: str) -> CommandError:
    return CommandError(
        f"{address} {why}: it is not a Kakiyo Webhooks daemon, so check --api-url.", ExitCode.UNREACHABLE
    )


def _explain(problem: Mapping[str, Any]) -> str:
    first = f"{problem.get('detail') or problem.get('title')} ({problem.get('code')})"
    return "\n".join([first, *(f"  {error['path']}: {error['message']}" for error in problem.get("errors") or ())])
