"""The HTTP API over a running daemon, without sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from quart.testing.utils import sentinel
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

from api.app import create_app
from daemon.config.settings import Settings
from daemon.domain.model import Team
from daemon.handles import Handles
from daemon.store.sqlite.database import open_database
from daemon.wiring_handles import handles_of
from tests.support.daemon import OPERATOR_KEY, FakeReceiver, RunningDaemon, make_settings, running
from tests.support.ways import answer_in_the_lane, asks_for

MESSAGE_SENT = "linkedin.message.sent"
DATABASE_FILE = "test.db"  # as tests.support.daemon names it
PUBLIC_URL = "https://hooks.example.com/in"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: `value` is its JSON, None for no body.

    `limit` is its RateLimit field, which differs from one request to the next and is not among the headers.
    """

    status: int
    headers: Headers
    body: bytes
    limit: str | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", self.headers.pop("RateLimit", None))

    @property
    def value(self) -> Any:
        return orjson.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.value["status"] == self.status
        return str(self.value["code"])

    @property
    def paths(self) -> list[str]:
        """The fields that a problem document names."""
        return [wrong["path"] for wrong in self.value.get("errors", [])]


@dataclass(frozen=True, slots=True)
class ApiClient:
    """Calls with one key; `with_key` gives the same with another."""

    app: QuartTrio
    key: str | None = OPERATOR_KEY

    def with_key(self, key: str | None) -> "ApiClient":
        return replace(self, key=key)

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.call("GET", path, query_string=query)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.call("POST", path, content=orjson.dumps(body), headers=headers)

    async def patch(self, path: str, body: Any) -> Answer:
        return await self.call("PATCH", path, content=orjson.dumps(body))

    async def delete(self, path: str) -> Answer:
        return await self.call("DELETE", path)

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        media_type: str | None = "application/json",
        headers: Mapping[str, str | Sequence[str]] | Headers | None = None,
        query_string: Mapping[str, Any] | None = None,
        server: tuple[str, int] | None = ("127.0.0.1", 80),
        client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    ) -> Answer:
        """Send one request as it is given, a header with several values that often.

        `server` is the local address that it came to, `client` its peer's.
        """
        sent = Headers(headers)
        if self.key is not None:
            sent["Authorization"] = f"Bearer {self.key}"
        if content is not None and media_type is not None:
            sent["Content-Type"] = media_type
        if asks_for("fast lane") and method == "POST" and content is not None and not query_string:
            answer = await answer_in_the_lane(self.app, path, headers=sent, content=content)
            if answer is not None:
                return Answer(*answer)
        response = await self.app.test_client().open(
            path,
            method=method,
            headers=sent,
            data=content,
            json=sentinel,
            query_string=dict(query_string) if query_string else None,
            scope_base={"server": server, "client": client},
        )
        return Answer(response.status_code, response.headers, await response.get_data(as_text=False))


@dataclass(frozen=True, slots=True)
class RunningApi:
    """A running daemon with its API: the operator, and one team with its own key."""

    daemon: RunningDaemon
    handles: Handles
    operator: ApiClient
    acme: Team
    as_acme: ApiClient

    async def another_team(self, name: str = "Other") -> tuple[Team, ApiClient]:
        """Make a team; return it with a client that uses its key."""
        return await _team_with_client(self.daemon, self.operator, name)

    async def webhook(self, *events: str, **fields: Any) -> dict[str, Any]:
        """Register a webhook of acme's."""
        body = {"name": "CRM sync", "url": PUBLIC_URL, "events": events or ("*",), **fields}
        answer = await self.as_acme.post("/v1/webhooks", body)
        assert answer.status == 201, answer.body
        return dict(answer.value)

    async def submit(self, event: str = MESSAGE_SENT, **data: Any) -> str:
        """Submit an event of acme's; return its id."""
        answer = await self.as_acme.post("/v1/events", {"event": event, "data": data})
        assert answer.status == 202, answer.body
        return str(answer.value["id"])


@asynccontextmanager
async def running_api(
    state_dir: Path,
    *,
    receiver: FakeReceiver | None = None,
    settings: Settings | None = None,
    check_store: Callable[[], Awaitable[object]] | None = None,
    **changes: Any,
) -> AsyncIterator[RunningApi]:
    """Run a daemon and its API; `check_store` and `changes` replace handles."""
    settings = settings or make_settings(state_dir)
    (state_dir / DATABASE_FILE).write_bytes(_migrated_database())
    async with running(state_dir, receiver=receiver, settings=settings) as daemon:
        handles = replace(
            handles_of(daemon.parts, lambda: "the daemon is stopping" if daemon.stop.is_set() else None), **changes
        )
        if check_store is not None:
            handles = replace(handles, health=replace(handles.health, check_store=check_store))
        operator = ApiClient(create_app(handles))
        acme, as_acme = await _team_with_client(daemon, operator, "Acme")
        yield RunningApi(daemon, handles, operator, acme, as_acme)


@cache
def _migrated_database() -> bytes:
    """Migrating an empty database takes longer than most tests: once is enough."""
    with TemporaryDirectory() as folder:
        open_database(Path(folder) / DATABASE_FILE).close()
        return (Path(folder) / DATABASE_FILE).read_bytes()


async def _team_with_client(daemon: RunningDaemon, operator: ApiClient, name: str) -> tuple[Team, ApiClient]:
    team = await daemon.parts.teams.create(None, name, ())
    created = await daemon.parts.teams.create_key(team.id, "tests")
    assert created is not None
    return team, operator.with_key(created[1])
