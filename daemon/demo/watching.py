"""Watching the deliveries until all have ended: a live table on a terminal, a line for each change elsewhere."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import trio
from rich.console import Console
from rich.live import Live

from daemon.demo import display
from daemon.demo.observation import SeenDelivery
from daemon.demo.scenario import RegisteredWebhook, SubmittedEvent

Look = Callable[[], Awaitable[tuple[SeenDelivery, ...]]]
# The API has nothing to wait on; at this rate a person sees every change, and the daemon does not notice.
_LOOK_AGAIN_S = 0.25


async def watch(
    console: Console, look: Look, webhooks: Sequence[RegisteredWebhook], events: Sequence[SubmittedEvent]
) -> None:
    """Show the deliveries that `look` finds, again and again, until there are some and all have ended."""
    if console.is_terminal:
        await _watch_live(console, look, webhooks=webhooks, events=events)
    else:
        await _watch_in_lines(console, look, webhooks)


async def _watch_live(
    console: Console, look: Look, webhooks: Sequence[RegisteredWebhook], events: Sequence[SubmittedEvent]
) -> None:
    begun = trio.current_time()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            deliveries = await look()
            live.update(
                display.board(webhooks, events, deliveries=deliveries, elapsed_s=trio.current_time() - begun),
                refresh=True,
            )
            if _are_over(deliveries):
                return
            await trio.sleep(_LOOK_AGAIN_S)


async def _watch_in_lines(console: Console, look: Look, webhooks: Sequence[RegisteredWebhook]) -> None:
    begun, names = trio.current_time(), {webhook.id: webhook for webhook in webhooks}
    deliveries: tuple[SeenDelivery, ...] = ()
    while not _are_over(deliveries):
        before, deliveries = deliveries, await look()
        for each in _changed(before, deliveries):
            console.print(display.progress_line(each, names[each.webhook_id], trio.current_time() - begun))
        await trio.sleep(_LOOK_AGAIN_S)


def _are_over(deliveries: Sequence[SeenDelivery]) -> bool:
    return bool(deliveries) and all(each.is_over for each in deliveries)


def _changed(before: Sequence[SeenDelivery], now: Sequence[SeenDelivery]) -> Iterator[SeenDelivery]:
    """Give what ended, or failed once more, in the order of acceptance (the API lists the newest first)."""
    known = {each.id: each for each in before}
    for each in reversed(now):
        then = known.get(each.id)
        if (each.is_over or each.attempts_made) and (then is None or then != each):
            yield each
