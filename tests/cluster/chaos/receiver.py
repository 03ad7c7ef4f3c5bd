"""The receiver of a run: one server for all webhooks, which notes each request before it answers as its path says.

It tells nodes apart by the address that they reach it at: each node's name server has one of its own.
"""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from tests.cluster.chaos.evidence import Arrival
from tests.cluster.chaos.plan import Behaviour, PlannedWebhook
from tests.support.receivers import Exchange, ReceivedRequest, Receiver, open_receiver, response

NAME = "hooks.example.com"
_SLOW_S = (0.05, 0.3)


@dataclass(slots=True, eq=False)
class Trap:
    """Catches one request of a kind; its answer, with `status` if that is given, waits for `release`."""

    wants: Callable[[Arrival], bool]
    status: int | None
    arrival: Arrival | None = None
    _caught: trio.Event = field(default_factory=trio.Event)
    _released: trio.Event = field(default_factory=trio.Event)

    async def caught(self, within_s: float) -> Arrival:
        """Wait for it; return it. Raises trio.TooSlowError."""
        with trio.fail_after(within_s):
            await self._caught.wait()
        assert self.arrival is not None
        return self.arrival

    def release(self) -> None:
        """Have it answered."""
        self._released.set()

    async def hold(self, arrival: Arrival) -> None:
        """Keep an arrival until it is released."""
        self.arrival = arrival
        self._caught.set()
        await self._released.wait()


@dataclass(slots=True)
class Receivers:
    """All receivers of a run: how each behaves, by webhook's name. `arrivals` are in the order in which they came."""

    behaviours: dict[str, Behaviour]
    seed: int
    traps: list[Trap] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    receiver: Receiver = field(init=False, repr=False)

    def registration(self, webhook: PlannedWebhook) -> dict[str, Any]:
        """Return the request that registers a webhook."""
        self.behaviours[webhook.name] = webhook.behaviour
        return {
            "teamId": webhook.team,
            "name": webhook.name,
            "events": sorted(webhook.types),
            **self.place(webhook.name),
        }

    def place(self, path: str) -> dict[str, str]:
        """Return the URL of a path, and the secret for it."""
        return {"url": f"http://{NAME}:{self.receiver.port}/{path}", "secret": make_secret(path)}

    @contextmanager
    def trapping(self, wants: Callable[[Arrival], bool], status: int | None = None) -> Iterator[Trap]:
        """Hold the answer to the first request of this kind until it is released, or the block ends."""
        trap = Trap(wants, status)
        self.traps.append(trap)
        try:
            yield trap
        finally:
            trap.release()
            if trap in self.traps:
                self.traps.remove(trap)

    async def answer(self, exchange: Exchange) -> None:
        """Note a request down, and answer it with its number."""
        self.receiver.requests.clear()
        assert isinstance(exchange.stream, trio.SocketStream)
        node = node_reached_at(exchange.stream.socket.getsockname()[0])
        path = exchange.request.request_line.split()[1].removeprefix("/")
        name = path.partition("/")[0]
        arrival, trap = self._note_down(exchange.request, path, node)
        if trap is not None:
            await trap.hold(arrival)
        elif self.behaviours[name] == "slow":
            await trio.sleep(random.uniform(*_SLOW_S))
        await exchange.send(response(arrival.status, str(arrival.id).encode()))

    def _note_down(self, request: ReceivedRequest, path: str, node: int) -> tuple[Arrival, Trap | None]:
        name, edited, _ = path.partition("/")
        number, attempt = json.loads(request.body)["data"]["n"], int(request.header("X-Kakiyo-Attempt") or 0)
        arrival = Arrival(
            id=len(self.arrivals) + 1,
            at=trio.current_time(),
            node=node,
            webhook=name,
            delivery_id=request.header("webhook-id") or "",
            attempt=attempt,
            number=number,
            status=self._status(name, number, attempt),
            signed=is_signed(request, make_secret(path)),
            edited=bool(edited),
        )
        trap = next((trap for trap in self.traps if trap.wants(arrival)), None)
        if trap is not None:
            self.traps.remove(trap)
            arrival = arrival if trap.status is None else replace(arrival, status=trap.status)
        self.arrivals.append(arrival)
        return arrival, trap

    def _status(self, name: str, number: int, attempt: int) -> int:
        """Return what this receiver answers to this attempt, always the same."""
        match self.behaviours[name]:
            case "down":
                return 500
            case "flaky":
                return 503 if attempt <= random.Random(f"{self.seed} {name} {number}").choice((0, 0, 1, 2, 3)) else 200
            case "twice":
                return 503 if attempt <= 2 else 200
            case _:
                return 200


@asynccontextmanager
async def open_receivers(behaviours: Mapping[str, Behaviour], seed: int) -> AsyncIterator[Receivers]:
    """Run the receivers for this block."""
    receivers = Receivers(dict(behaviours), seed)
    async with open_receiver(receivers.answer, host="0.0.0.0") as receivers.receiver:  # all of 127.0.0.0/8
        yield receivers


def address_for(node: int) -> str:
    """Return the receivers' address for a node; nodes count from 1."""
    return f"127.0.1.{node}"


def node_reached_at(address: str) -> int:
    """Return which node reaches the receivers at this address."""
    return int(address.rpartition(".")[2])


def make_secret(name: str) -> str:
    """Return a webhook's secret."""
    return "whsec_" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def is_signed(request: ReceivedRequest, secret: str) -> bool:
    """Whether both signatures of a delivery are its webhook's, computed without our own code."""
    product = hmac.digest(secret.encode(), request.body, "sha256").hex()
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    standard = base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")).decode()
    return (request.header("X-Kakiyo-Signature"), request.header("webhook-signature")) == (product, f"v1,{standard}")
