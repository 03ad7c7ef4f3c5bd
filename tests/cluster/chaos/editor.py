"""A customer who changes what there is, each request at another node, while events are submitted.

One webhook after another is registered, gets another address and secret, is sent something again, is disabled, enabled,
sent what it missed, and deleted.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import trio

from tests.cluster.chaos.clients import Clients
from tests.cluster.chaos.evidence import Recovery
from tests.cluster.chaos.plan import Edit, Lifetime, PlannedWebhook
from tests.cluster.chaos.receiver import Receivers
from tests.cluster.chaos.registrar import Registrar

_PAUSE_S = 1.0


@dataclass(slots=True)
class Editor:
    """Does so as long as clients submit. `resent` has the ids of new deliveries, each with the old one's."""

    clients: Clients
    receivers: Receivers
    registrar: Registrar
    recoveries: list[Recovery] = field(default_factory=list)
    resent: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    async def run(self) -> None:
        """Do it all to one webhook after another."""
        while not self.clients.stopping:
            self._count += 1
            name, webhook_id = await self.registrar.register(f"{self._count}-edited")
            await self._edit(name, webhook_id)
            await self._resend(webhook_id)
            await self._disable_and_recover(name, webhook_id)
            await trio.sleep(_PAUSE_S)
            await self.registrar.delete(name, webhook_id)

    async def _edit(self, name: str, webhook_id: str) -> None:
        webhook = self._keep(name, edit=Edit(trio.current_time()))
        await self._patch(webhook_id, self.receivers.place(webhook.edited_name))
        assert webhook.edit is not None
        self._keep(name, edit=replace(webhook.edit, answered=trio.current_time()))
        await self.clients.submit_everywhere(webhook.team, min(webhook.types))
        await trio.sleep(_PAUSE_S)

    async def _resend(self, webhook_id: str) -> None:
        """Send again what has arrived."""
        found = await self._ask("GET", f"/v1/deliveries?webhookId={webhook_id}&status=succeeded", "", None)
        for delivery in found.json()["items"][:2]:
            key = f"resend {delivery['id']}"
            answer = await self._ask("POST", f"/v1/deliveries/{delivery['id']}/resend", key, None)
            self.resent[answer.json()["id"]] = delivery["id"]

    async def _disable_and_recover(self, name: str, webhook_id: str) -> None:
        """Disable it and enable it again; recover what it missed."""
        asked = trio.current_time()
        since = datetime.now(UTC) - timedelta(seconds=1)
        webhook = self._keep(name, pauses=(Lifetime(asked, math.inf),))
        await self._patch(webhook_id, {"active": False})
        sure_from = trio.current_time()
        await self.clients.submit_everywhere(webhook.team, min(webhook.types))
        sure_until = trio.current_time()
        await self._patch(webhook_id, {"active": True})
        self._keep(name, pauses=(Lifetime(asked, sure_from, sure_until, trio.current_time()),))
        asked_at = trio.current_time()
        answer = await self._ask(
            "POST", f"/v1/webhooks/{webhook_id}/recover", f"recover {name}", {"since": since.isoformat()}
        )
        self.recoveries.append(Recovery(name, asked, asked_at, trio.current_time(), answer.json()["deliveries"]))
        await self.clients.submit_everywhere(webhook.team, min(webhook.types))

    async def _patch(self, webhook_id: str, body: Any) -> None:
        await self._ask("PATCH", f"/v1/webhooks/{webhook_id}", "", body)

    async def _ask(self, method: str, path: str, key: str, body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.registrar.until_answered(method, path, headers, body)

    def _keep(self, name: str, **fields: Any) -> PlannedWebhook:
        changed = replace(self.registrar.webhooks[name], **fields)
        self.registrar.webhooks[name] = changed
        return changed
