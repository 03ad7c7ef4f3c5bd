"""A customer who registers webhooks and deletes them again, each request at another node, while events are submitted.

Once a registration is answered, every event submitted afterwards, to whichever node, is for the new webhook too.
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import trio

from tests.cluster.chaos.clients import Clients
from tests.cluster.chaos.plan import EVENT_TYPES, TEAMS, Lifetime, PlannedWebhook
from tests.cluster.chaos.receiver import Receivers

_EVERY_S = 1.0
_AT_ONCE = 5
_CHANGE_TIMEOUT_S = 21


@dataclass(slots=True)
class Registrar:
    """Registers and deletes as long as clients submit; `webhooks` has all of them, by name."""

    clients: Clients
    receivers: Receivers
    webhooks: dict[str, PlannedWebhook] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=lambda: random.Random(2))

    async def run(self) -> None:
        """Register one each second, and delete the oldest when there are five."""
        there: deque[tuple[str, str]] = deque()
        while not self.clients.stopping:
            there.append(await self.register(f"{len(self.webhooks)}-new"))
            if len(there) > _AT_ONCE:
                await self.delete(*there.popleft())
            await trio.sleep(_EVERY_S)

    async def register(self, name: str) -> tuple[str, str]:
        """Register a webhook, and submit to every node; return its name and id."""
        types = frozenset(self._chance.sample(EVENT_TYPES, 3))
        begin = trio.current_time()
        webhook = PlannedWebhook(name, self._chance.choice(TEAMS), "ok", types, Lifetime(begin, math.inf))
        self.webhooks[name] = webhook
        body = self.receivers.registration(webhook)
        answer = await self.until_answered("POST", "/v1/webhooks", {"Idempotency-Key": name}, body)
        self._live(name, sure_from=trio.current_time())
        await self.clients.submit_everywhere(webhook.team, min(types))
        return name, answer.json()["id"]

    async def delete(self, name: str, webhook_id: str) -> None:
        """Delete a webhook, and submit to every node."""
        self._live(name, sure_until=trio.current_time())
        await self.until_answered("DELETE", f"/v1/webhooks/{webhook_id}", {}, None)
        self._live(name, end=trio.current_time())
        await self.clients.submit_everywhere(self.webhooks[name].team, min(self.webhooks[name].types))

    def _live(self, name: str, **times: float) -> None:
        webhook = self.webhooks[name]
        self.webhooks[name] = replace(webhook, lifetime=replace(webhook.lifetime, **times))

    async def until_answered(self, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
        """Make a request, of any node, until it is carried out, or refused, which is noted.

        If an answer to a change is lost, that request may still be carried out: it returns when this is over.
        """
        lost = False
        while True:
            http = self.clients.http(self._chance.choice(self.clients.urls()))
            try:
                answer = await http.request(method, path, json=body, headers=headers, timeout=25)
            except httpx.TransportError:
                lost = True
                await trio.sleep(0.1)
                continue
            if lost and method == "PATCH":
                await trio.sleep(_CHANGE_TIMEOUT_S)
            # Deleted by a request whose answer was lost.
            if answer.is_success or (method == "DELETE" and answer.status_code == 404):
                return answer
            if answer.status_code != 503:
                self.clients.ledger.complaints.append(f"{method} {path} got {answer.status_code}: {answer.text[:200]}")
                return answer
            await trio.sleep(0.2)
