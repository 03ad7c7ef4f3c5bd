"""Batch work that leaves others a share of the time: after each batch, a proportional rest."""

import trio


async def rest_after(began_at: float, *, share: float, at_least_s: float = 0) -> None:
    """Rest until the batch that began at `began_at` has used only `share` of the time, and for `at_least_s`."""
    took_s = trio.current_time() - began_at
    await trio.sleep(max(at_least_s, took_s * (1 - share) / share))
