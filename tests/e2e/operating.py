"""What the tests do with a daemon: as its operator, over its HTTP API."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from tests.e2e.strict_log import check_log
from tests.support.process import DaemonProcess, Installation, daemon_process
from tests.support.receivers import Exchange, response

MESSAGE_SENT = "linkedin.message.sent"
# Stands in every event of the tests: wherever it is found, a payload has got there.
PAYLOAD = "what the prospect wrote"


@dataclass(slots=True)
class Operator:
    """A daemon, and its API with the operator key. `confidential` must never be logged; it grows with what is made."""

    daemon: DaemonProcess
    http: httpx.AsyncClient
    confidential: set[str] = field(default_factory=set)

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **query: Any) -> Any:
        """Send a request, assert the status, return the JSON of the answer (None for none)."""
        response = await self.http.request(method, path, json=body, params=query or None)
        assert response.status_code == expect, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    async def make_team(self, team_id: str = "acme", *emails: str) -> str:
        body = {"id": team_id, "name": "Acme", "notificationEmails": emails}
        await self.call("POST", "/v1/teams", body, expect=201)
        return team_id

    async def make_key(self, team_id: str = "acme") -> dict[str, Any]:
        made: dict[str, Any] = await self.call("POST", f"/v1/teams/{team_id}/keys", {"name": "tests"}, expect=201)
        self.confidential.add(made["key"])
        return made

    async def make_webhook(self, url: str, *events: str, team_id: str = "acme", **fields: Any) -> dict[str, Any]:
        body = {"teamId": team_id, "name": "CRM sync", "url": url, "events": events or ("*",), **fields}
        made: dict[str, Any] = await self.call("POST", "/v1/webhooks", body, expect=201)
        if made.get("secret"):
            self.confidential.add(made["secret"])
        return made

    async def submit(self, *numbers: int, team_id: str = "acme") -> list[str]:
        """Submit an event for each number, one after the other; return their ids."""
        return [
            (await self.call("POST", "/v1/events", make_event(number, team_id), expect=202))["id"] for number in numbers
        ]

    async def list_all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all items of a list, over all its pages."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await self.call("GET", path, limit=200, **query, **cursor)
            items += page["items"]
            if page["nextCursor"] is None:
                return items
            cursor = {"cursor": page["nextCursor"]}

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """Return deliveries, oldest first."""
        return list(reversed(await self.list_all("/v1/deliveries", **query)))

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        """Return a delivery with its attempts."""
        found: dict[str, Any] = await self.call("GET", f"/v1/deliveries/{delivery_id}")
        return found

    async def until_nothing_is_pending(self) -> None:
        """Wait until every delivery has ended: each pending one has a line in the log still to come."""
        while True:
            known = self.daemon.ended_deliveries
            page = await self.call("GET", "/v1/deliveries", status="pending", limit=200)
            if not page["items"]:
                return
            await self.daemon.deliveries_ended(known + len(page["items"]))


@dataclass(frozen=True, slots=True)
class Gate:
    """A receiver's answer that waits until it is let through: slow, for as long as a test needs it."""

    status: int = 200
    opened: trio.Event = field(default_factory=trio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        await self.opened.wait()
        await exchange.send(response(self.status))


@asynccontextmanager
async def operated(
    installation: Installation,
    *,
    confidential: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    exit_code: int = 0,
) -> AsyncIterator[Operator]:
    """Run a daemon until the block ends, then read its log strictly (see `daemon_process`)."""
    async with daemon_process(installation, pass_fds=pass_fds, environment=environment, exit_code=exit_code) as daemon:
        key = installation.read_key()
        async with httpx.AsyncClient(
            base_url=installation.url,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            verify=False,
            timeout=10,
        ) as http:
            operator = Operator(daemon, http, {key, PAYLOAD, *confidential})
            yield operator
    check_log(daemon.stderr, operator.confidential, cut=daemon.killed)


def make_event(number: int, team_id: str = "acme", event: str = MESSAGE_SENT) -> dict[str, Any]:
    """Return the JSON that submits an event whose data tells its number."""
    return {"event": event, "teamId": team_id, "data": {"n": number, "message": PAYLOAD}}
