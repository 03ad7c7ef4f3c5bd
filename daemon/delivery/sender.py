"""Sends one webhook's attempts, one after another: holds its slot, its connection and its secrets."""

import math
from collections.abc import Callable
from functools import partial

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.crypto.vault import Opener, Vault
from daemon.delivery.attempt import make_attempt
from daemon.delivery.attempt_slots import AttemptSlots
from daemon.delivery.own_headers import Headers, opened_headers
from daemon.delivery.permit import ALWAYS, Permit
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.way_out import way_of
from daemon.domain.clock import Clock
from daemon.domain.model import Attempt, Outcome, OutcomeKind, Webhook, Work
from daemon.domain.webhook_options import DEFAULT_OPTIONS
from daemon.egress.transport import Transport


class Sender:
    """Holds a slot from `acquire` to the end of `send`; between attempts, at most a connection, which may be closed.

    Its waits end with its `pause`. An attempt begins only while the `permit` is valid. The senders of one webhook have
    a `line` in common: one of them at a time waits for a slot.
    """

    __slots__ = (
        "_clock",
        "_log",
        "_opener",
        "_options",
        "_own_headers",
        "_pause",
        "_permit",
        "_slot",
        "_timeout_s",
        "_transport",
        "_vault",
    )

    def __init__(
        self,
        pause: Pause,
        *,
        clock: Clock,
        log: DeliveryLog,
        vault: Vault,
        slots: AttemptSlots,
        make_transport: Callable[[], Transport],
        timeout_s: float,
        permit: Permit = ALWAYS,
        line: Mutex | None = None,
    ) -> None:
        self._pause = pause
        self._permit = permit
        self._clock = clock
        self._log = log
        self._vault, self._opener = vault, Opener(vault)
        self._options = DEFAULT_OPTIONS
        self._own_headers: Headers = ()
        self._transport = make_transport()
        self._slot = slots.slot(self._transport.close, line)
        self._transport.take_more_from(self._slot)
        self._timeout_s = timeout_s

    def wait_with(self, pause: Pause) -> None:
        """Have its waits end with this pause from now on."""
        self._pause = pause

    async def acquire(self, webhook: Webhook, *, failing: bool) -> bool:
        """Wait for a slot and for capacity to resolve the name; False, with nothing held, if the wait was ended.

        The attempt starts only after this: until then neither its deadline nor its signed timestamp is set. Raises
        VaultError for a secret of its options that cannot be opened.
        """
        if webhook.options is not self._options:
            self._transport.go_by(way_of(webhook, self._vault))
            self._own_headers = opened_headers(webhook, self._vault)
            self._options = webhook.options
        team_id, slot = webhook.team_id, self._slot
        wait = self._pause.wait
        if not slot.try_take(team_id, failing) and not await wait(math.inf, partial(slot.take, team_id, failing)):
            return False
        if self._transport.keeps_connection and self._permit.valid:
            return True
        is_ready = False
        try:
            is_ready = await wait(math.inf, partial(self._prepare, webhook.url, team_id))
        finally:
            if not is_ready:
                self.release()
        return is_ready

    async def _prepare(self, url: str, team_id: str) -> None:
        await self._permit.wait_until_valid()
        await self._transport.prepare(url, team_id)

    def release(self) -> None:
        """Give back what was acquired: nothing is sent after all."""
        self._transport.close()
        self._slot.give_back()

    async def send(self, webhook: Webhook, work: Work, number: int) -> Attempt:
        """Make attempt `number` and return it. The slot is given back in any case, the connection is kept if it can be.

        Raises VaultError for a secret that cannot be opened: better parked, where it is noticed and fixed, than
        delivered unsigned.
        """
        started_at, started = self._clock.now_ms(), trio.current_time()
        try:
            secrets = self._opener.secrets_of(webhook, started_at)
            outcome = await make_attempt(
                self._transport,
                webhook,
                work=work,
                number=number,
                timeout_s=webhook.options.timeout_s or self._timeout_s,
                timestamp_s=started_at // 1000,
                secrets=secrets,
                own_headers=self._own_headers,
            )
            self._slot.give_back(self._transport.keeps_connection)
            return Attempt(number, started_at, outcome)
        except trio.Cancelled:
            duration_ms = round((trio.current_time() - started) * 1000)
            outcome = Outcome(OutcomeKind.INTERRUPTED, duration_ms, error="the daemon stopped during the attempt")
            self._log.interrupted(webhook, work, Attempt(number, started_at, outcome))
            raise
        finally:
            self._slot.give_back()

    def close(self) -> None:
        """Close the connection and give back the slot."""
        self._transport.close()
        self._slot.close()
