"""A customer who enables webhooks again that were disabled, on whichever node answers."""

import random
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from tests.cluster.chaos.clients import Clients

_EVERY_S = 2.0
# What an answer to a change may be while nodes and database come and go; a request that came twice may get 409.
_EXPECTED = (200, 404, 409, 503)


@dataclass(slots=True)
class Enabler:
    """Enables what was disabled, as long as clients submit. `enablings` counts what was answered with success."""

    clients: Clients
    enablings: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def run(self) -> None:
        """Look every two seconds."""
        while not self.clients.stopping:
            await trio.sleep(_EVERY_S)
            url = self._chance.choice(self.clients.urls())
            found = await self._call(url, "GET", "/v1/webhooks?limit=200")
            for webhook in found.get("items", []):
                if webhook["disabledReason"] == "consecutive_failures":
                    answer = await self._call(url, "PATCH", f"/v1/webhooks/{webhook['id']}", {"active": True})
                    self.enablings += bool(answer)

    async def _call(self, url: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            answer = await self.clients.http(url).request(method, path, json=body, timeout=25)
        except httpx.TransportError:
            return {}
        if answer.status_code not in _EXPECTED:
            self.clients.ledger.complaints.append(f"{method} {path} got {answer.status_code}: {answer.text[:200]}")
        return answer.json() if answer.status_code == 200 else {}
