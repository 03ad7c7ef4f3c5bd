"""Work in pieces that leaves the others most of what they share: after each piece, a rest in proportion to it."""

import trio


async def rest_after(began_at: float, *, share: float, at_least_s: float = 0) -> None:
    """Rest until the piece of work that began then has had `share` of the time, and for `at_least_s`."""
    took_s = trio.current_time() - began_at
    await trio.sleep(max(at_least_s, took_s * (1 - share) / share))
