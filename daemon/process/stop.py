"""From SIGTERM to the stop: load balancers learn of it first (contract "Command line", `api.shutdown_delay_s`)."""

import trio


class Stop:
    """A stop that is announced, so that `/readyz` says so, and `delay_s` seconds later happens: then `now` is set."""

    def __init__(self, delay_s: float) -> None:
        self.announced = False
        self.now = trio.Event()
        self._delay_s = delay_s

    async def begin(self) -> None:
        """Announce the stop and return once it happens: after the delay, or at once if it was announced before."""
        if not self.announced:
            self.announced = True
            with trio.move_on_after(self._delay_s):
                await self.now.wait()
        self.now.set()
