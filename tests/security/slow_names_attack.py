"""One team's names hang in a dead zone of DNS (contract "An attempt")."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import httpx
import trio
from dns.message import Message, QueryMessage

from tests.security.neighbour import WATCHDOG, Seen, watched_neighbour
from tests.support.name_server import TTL_S, TestNameServer, name_of, open_name_server, type_of
from tests.support.patient_client import make_patient_client
from tests.support.process import Installation, daemon_process, make_installation
from tests.support.receivers import Receiver, open_receiver, respond

NEIGHBOUR = "hooks.neighbour.example.com"
_DEAD_ZONE = "dead.example.com"
_LOOKED_UP = "closes.example.com"
_REGISTRATIONS_AT_ONCE = 20
_PAUSE_S = 0.1
# A receiver that keeps no connection: each attempt looks its name up.
CLOSING = respond(200, headers=[("Connection", "close")])


@dataclass(slots=True)
class Zone:
    """Every name leads to this machine; once `dead`, those of the dead zone get no answer any more."""

    dead: bool = False
    hung: set[str] = field(default_factory=set)

    def answer(self, query: QueryMessage) -> Message | None:
        name = name_of(query)
        if self.dead and name.endswith(_DEAD_ZONE):
            self.hung.add(name)
            return None
        response = dns.message.make_response(query)
        if type_of(query) == "A":
            response.answer.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", "A", "127.0.0.1"))
        return response


@dataclass(frozen=True, slots=True)
class Attacked:
    """How the neighbour fared, how many of the team's names hung, and how long deliveries took that need a lookup."""

    seen: Seen
    names_hung: int
    delivered_s: list[float]


def make_attacked_installation(directory: Path, server: TestNameServer) -> Installation:
    """Have the daemon ask this server."""
    nameservers = [f"{server.address.address}:{server.address.port}"]
    return make_installation(
        directory, {"egress": {"nameservers": nameservers}, "log": {"level": "info"}}, forked=False
    )


async def attack_with_slow_names(directory: Path, webhooks: int, seconds: float) -> Attacked:
    """Let one team have that many webhooks in a dead zone, and deliver to all of them for that long."""
    zone = Zone()
    async with open_name_server(answering=zone.answer) as server:
        installation = make_attacked_installation(directory, server)
        async with (
            daemon_process(installation, environment=WATCHDOG) as daemon,
            make_patient_client(installation.url, installation.read_key(), 60) as http,
        ):
            await _register(http, webhooks)
            zone.dead = True
            async with (
                watched_neighbour(daemon, NEIGHBOUR) as watch,
                open_receiver(CLOSING, name=_LOOKED_UP) as receiver,
            ):
                await _register_looked_up(http, receiver)
                await _submit(http, "team_dead")
                delivered_s = await _deliver_with_lookups(http, receiver, seconds)
            await daemon.kill()  # it would wait for the attempts whose lookups hang
        installation.close()
    return Attacked(watch.seen, len(zone.hung), delivered_s)


async def _deliver_with_lookups(http: httpx.AsyncClient, receiver: Receiver, seconds: float) -> list[float]:
    """Submit event after event, each of which needs a lookup; return how long each took to its receiver."""
    delivered_s: list[float] = []
    ends_at = trio.current_time() + seconds
    while (started := trio.current_time()) < ends_at:
        await _submit(http, "team_looking_up")
        await receiver.received_in_time(len(delivered_s) + 1)
        delivered_s.append(trio.current_time() - started)
        await trio.sleep(_PAUSE_S)
    assert {request.header("X-Kakiyo-Attempt") for request in receiver.requests} == {"1"}
    return delivered_s


async def _register_looked_up(http: httpx.AsyncClient, receiver: Receiver) -> None:
    await _make_team(http, "team_looking_up")
    webhook = {"teamId": "team_looking_up", "name": "Looked up", "url": receiver.url, "events": ["*"]}
    (await http.post("/v1/webhooks", json=webhook)).raise_for_status()


async def _submit(http: httpx.AsyncClient, team_id: str) -> None:
    event = {"event": "linkedin.message.sent", "teamId": team_id, "data": {}}
    (await http.post("/v1/events", json=event)).raise_for_status()


async def _make_team(http: httpx.AsyncClient, team_id: str, **fields: Any) -> None:
    team = {"id": team_id, "name": team_id, "notificationEmails": [], **fields}
    (await http.post("/v1/teams", json=team)).raise_for_status()


async def _register(http: httpx.AsyncClient, webhooks: int) -> None:
    await _make_team(http, "team_dead", maxWebhooks=webhooks)
    numbers = iter(range(webhooks))

    async def register_some() -> None:
        for number in numbers:
            url = f"http://n{number}.{_DEAD_ZONE}:9/"
            webhook: dict[str, Any] = {"teamId": "team_dead", "name": "Dead", "url": url, "events": ["*"]}
            (await http.post("/v1/webhooks", json=webhook)).raise_for_status()

    async with trio.open_nursery() as nursery:
        for _ in range(_REGISTRATIONS_AT_ONCE):
            nursery.start_soon(register_some)
