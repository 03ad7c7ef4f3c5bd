"""What the demo plays: one team, three webhooks whose receivers behave differently, one event of each type."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import trio

from daemon.demo.api import Api
from daemon.demo.receiver import ReceivedRequest, listen_on_loopback, url_of
from daemon.domain.event_types import BUILT_IN

TEAM = "team_demo"
ADDRESS = "ops@example.com"
GRANTED = 100
_FAILURES_BEFORE_RECOVERY = 2


class Role(StrEnum):
    """How a receiver behaves."""

    HEALTHY = "healthy"
    RECOVERING = "fails twice, then recovers"
    DOWN = "down: nobody listens"


@dataclass(slots=True)
class Receiver:
    """A receiver in this process, and all that it got. A DOWN one has no listener and gets nothing."""

    role: Role
    url: str
    listener: trio.SocketListener | None
    requests: list[ReceivedRequest] = field(default_factory=list)

    def answer(self, request: ReceivedRequest) -> int:
        """Keep the request, and return the status that the role demands."""
        self.requests.append(request)
        return 503 if self.role is Role.RECOVERING and len(self.requests) <= _FAILURES_BEFORE_RECOVERY else 200


@dataclass(frozen=True, slots=True)
class RegisteredWebhook:
    """A webhook of the demo and the receiver behind it."""

    id: str
    name: str
    secret: str | None
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class SubmittedEvent:
    """An accepted event, and the receipt of the same submission sent once more under the same Idempotency-Key."""

    id: str
    type: str
    repeated_id: str


@contextmanager
def refused_port() -> Iterator[int]:
    """Give a port on which every connect is refused: it is taken, but nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def open_receivers(down_port: int) -> tuple[Receiver, ...]:
    """Return one receiver of each role; those with a listener still have to be served."""
    healthy, recovering = await listen_on_loopback(0), await listen_on_loopback(0)
    return (
        Receiver(Role.HEALTHY, f"{url_of(healthy)}/crm", healthy),
        Receiver(Role.RECOVERING, f"{url_of(recovering)}/slack", recovering),
        Receiver(Role.DOWN, f"http://127.0.0.1:{down_port}/warehouse", None),
    )


async def set_up(api: Api, receivers: tuple[Receiver, ...]) -> tuple[RegisteredWebhook, ...]:
    """Make the team with its credits, and register one webhook for each receiver."""
    await api.post("/v1/teams", {"id": TEAM, "name": "Demo Outreach", "notificationEmails": [ADDRESS]})
    await api.post("/v1/credits/grants", {"teamId": TEAM, "amount": GRANTED, "note": "welcome"})
    names = {Role.HEALTHY: "CRM Sync", Role.RECOVERING: "Slack Alerts", Role.DOWN: "Data Warehouse"}
    chosen = {Role.HEALTHY: "generate", Role.RECOVERING: secrets.token_hex(16), Role.DOWN: None}
    return tuple([await _register(api, each, name=names[each.role], secret=chosen[each.role]) for each in receivers])


async def _register(api: Api, receiver: Receiver, name: str, secret: str | None) -> RegisteredWebhook:
    body = {"teamId": TEAM, "name": name, "url": receiver.url, "events": ["*"]}
    made = await api.post("/v1/webhooks", body if secret is None else {**body, "secret": secret})
    return RegisteredWebhook(made["id"], name, secret=made.get("secret"), receiver=receiver)


async def submit_events(api: Api) -> tuple[SubmittedEvent, ...]:
    """Submit one event of every type, each of them twice with the same Idempotency-Key."""
    return tuple([await _submit(api, each.name, dict(each.example)) for each in BUILT_IN])


async def _submit(api: Api, event_type: str, data: dict[str, object]) -> SubmittedEvent:
    body, key = {"event": event_type, "teamId": TEAM, "data": data}, {"idempotency-key": f"demo-{event_type}"}
    first = await api.post("/v1/events", body, key)
    again = await api.post("/v1/events", body, key)
    return SubmittedEvent(first["id"], event_type, again["id"])
