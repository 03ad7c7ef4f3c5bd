"""The client of a running daemon's HTTP API (contract "HTTP API"), with its refusals turned into sentences."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, InvalidURL
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from daemon import __version__
from daemon.cli.connection import Connection, find_connection
from daemon.cli.exchange import TIMEOUT_S, Answer, AnswerTooLong, AnswerTooSlow, exchange, open_http, whole
from daemon.cli.exits import DEBUG_VARIABLE, CommandError, ExitCode, TryLater
from daemon.cli.options import ApiOptions
from daemon.cli.own_words import explain

_LONGEST_LINE = 64 * 1024
_MAY_PASS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NO_SEGMENTS = frozenset({"", ".", ".."})  # RFC 3986, 5.2.4: clients remove dots before they ask
Query = Mapping[str, str | int | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer: the body as it came, and as Python values (None for 204)."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Calls to one daemon. Every method raises CommandError when it refuses or cannot be reached."""

    http: HTTPConnection
    connection: Connection

    @property
    def address(self) -> str:
        """Where it is, for a person."""
        return self.connection.address

    def get(self, path: str, query: Query | None = None) -> Reply:
        """GET; members of `query` that are None are left out."""
        return self._call("GET", path, query=present(query or {}))

    def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        """Send `body` as JSON."""
        headers = {**(headers or {}), "content-type": "application/json"}
        return self._call(method, path, content=json_bytes(body), headers=headers)

    def send_raw(self, path: str, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Reply:
        """POST bytes as they are."""
        return self._call("POST", path, content=content, headers={**(headers or {}), "content-type": media_type})

    def delete(self, path: str, query: Query | None = None) -> Reply:
        """DELETE."""
        return self._call("DELETE", path, query=query)

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

    def lines(self, path: str, query: Query) -> Iterator[bytes]:
        """GET what has no end, on a connection of its own, and yield its lines until it ends all the same."""
        with _told(self.address), closing(_open(self.connection)) as http:
            http.request("GET", self._target(path, present(query)), headers=self._headers)
            with http.getresponse() as response:
                if response.status != HTTPStatus.OK:
                    _checked(whole(response), self.connection)
                while line := response.readline(_LONGEST_LINE):
                    yield line

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        with _told(self.address):
            target = self._target(path, query or {})
            answer = exchange(self.http, method, target, content=content, headers={**self._headers, **(headers or {})})
            return _checked(answer, self.connection)

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.connection.key}", "user-agent": f"kakiyo-webhooks/{__version__}"}

    def _target(self, path: str, query: Query) -> str:
        own = urlsplit(self.connection.base_url).path
        return own + path + (f"?{urlencode(query, doseq=True)}" if query else "")


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Have whatever goes wrong with a connection told in a sentence."""
    try:
        yield
    except (TimeoutError, AnswerTooSlow):
        raise _unreachable(address, f"it did not answer within {TIMEOUT_S} s") from None
    except InvalidURL as error:
        raise _no_address(address, error) from None
    except AnswerTooLong:
        raise _stranger(address, "answers without end") from None
    except HTTPException:
        raise _stranger(address, "does not answer in HTTP, or broke off") from None
    except ValueError as error:
        raise CommandError(
            f"The request cannot be sent ({error}): give options and arguments as UTF-8 text.", ExitCode.USAGE
        ) from None
    except OSError as error:
        raise _unreachable(address, str(error) or type(error).__name__) from None


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
    with closing(_open(connection)) as http:
        try:
            yield Client(http, connection)
        except (KeyError, IndexError, TypeError, AttributeError):
            if os.environ.get(DEBUG_VARIABLE):
                raise
            raise _stranger(connection.address, "does not answer as one does") from None


def _open(connection: Connection) -> HTTPConnection:
    try:
        return open_http(connection.base_url, connection.socket_path)
    except UnicodeError as error:  # its host is no name
        raise _no_address(connection.address, error) from None


def _no_address(address: str, error: Exception) -> CommandError:
    return CommandError(f"{address}: not an address of the API: {error}.", ExitCode.USAGE)


def _unreachable(address: str, reason: str) -> CommandError:
    return CommandError(
        f"The daemon cannot be reached at {address} ({reason}): "
        "start it with `kakiyo-webhooks serve`, or name it with --api-url.",
        ExitCode.UNREACHABLE,
    )


def _checked(answer: Answer, connection: Connection) -> Reply:
    address = connection.address
    if answer.status == HTTPStatus.NO_CONTENT:
        return Reply("", None)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Reply(_text(answer), _parse(answer, address))
    if answer.media_type != "application/problem+json":
        raise _stranger(address, f"answered {answer.status} {answer.reason}")
    exit_code = ExitCode.NOT_FOUND if answer.status == HTTPStatus.NOT_FOUND else ExitCode.REFUSED
    problem, asked_by = _parse(answer, address), click.get_current_context(silent=True)
    kind = TryLater if answer.status in _MAY_PASS else CommandError
    raise kind(explain(problem, key_from=connection.key_from, context=asked_by), exit_code)


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


def _parse(answer: Answer, address: str) -> Any:
    try:
        return json.loads(answer.body, parse_int=_number)
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
