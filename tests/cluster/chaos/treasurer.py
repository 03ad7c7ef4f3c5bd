"""An operator who grants teams just too few credits, each time at another node, where credits are enforced.

Each grant has a key and a note of its own, and is repeated until it is answered: none may be made twice.
"""

import itertools
import random
from dataclasses import dataclass, field

import httpx
import trio

from tests.cluster.chaos.clients import Clients
from tests.cluster.chaos.plan import TEAMS

_EVERY_S = 1.0
_AMOUNTS = (0, 20, 60)
_PLENTY = 1_000_000


@dataclass(slots=True)
class Treasurer:
    """Grants little as long as clients submit, and plenty in the end, so that nothing has to wait any more."""

    clients: Clients
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _chance: random.Random = field(default_factory=lambda: random.Random(3))

    async def run(self) -> None:
        """Grant each second."""
        while not self.clients.stopping:
            await trio.sleep(_EVERY_S)
            for team in TEAMS:
                if amount := self._chance.choice(_AMOUNTS):
                    await self.grant(team, amount)
        for team in TEAMS:
            await self.grant(team, _PLENTY)

    async def grant(self, team: str, amount: int) -> None:
        """Grant credits, once."""
        note = f"grant {next(self._numbers)}"
        body = {"teamId": team, "amount": amount, "note": note}
        while not await self._is_granted(body, note):  # noqa: ASYNC110 - nobody would set an event
            await trio.sleep(0.2)

    async def _is_granted(self, body: dict[str, object], key: str) -> bool:
        http = self.clients.http(self._chance.choice(self.clients.urls()))
        try:
            answer = await http.post("/v1/credits/grants", json=body, headers={"Idempotency-Key": key}, timeout=25)
        except httpx.TransportError:
            return False
        if not answer.is_success and answer.status_code != 503:
            self.clients.ledger.complaints.append(f"a grant got {answer.status_code}: {answer.text[:200]}")
        return answer.is_success
