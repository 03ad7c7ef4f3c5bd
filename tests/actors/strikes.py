"""Something goes wrong in one service of a running daemon: at a step of its task, or at a call of what it needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any, TypeVar

import pytest
import trio

from daemon.seams import Seams
from daemon.store.reads.reader import Reader
from daemon.store.writes.writer import Writer
from tests.faults.sabotage import Bug

Result = TypeVar("Result")

_in_subject: ContextVar[bool] = ContextVar("in_subject", default=False)


@dataclass(slots=True)
class Strikes:
    """Strikes the service wrapped by `around` at the given step or call of each of its next lives.

    What happens at a step is `on_strike`; by default the life is cancelled, and counts as crashed.
    """

    at_step: int = 0
    at_call: int = 0
    lives_left: int = 0
    on_strike: Callable[[], object] | None = None
    lives: int = 0
    alive: int = 0
    count: int = 0
    crashes: int = 0
    struck_at: float = 0
    longest_end_s: float = 0
    _seen: int = 0

    def arm(self, *, step: int = 0, call: int = 0, lives: int = 1) -> None:
        """Strike at this step, or this call, counted from now on, and again in each of the `lives` from now on."""
        self.at_step, self.at_call, self.lives_left, self._seen, self.count = step, call, lives, 0, 0

    def disarm(self) -> None:
        """Stop striking."""
        self.lives_left = 0

    def around(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `run` each call of which is a life of the service."""

        async def live(*args: Any, **kwargs: Any) -> None:
            self.lives, self.alive, self._seen = self.lives + 1, self.alive + 1, 0
            token = _in_subject.set(True)
            try:
                with trio.CancelScope() as scope, self._watched(scope):
                    await run(*args, **kwargs)
                if scope.cancelled_caught:
                    self.crashes, ended_s = self.crashes + 1, trio.current_time() - self.struck_at
                    self.longest_end_s = max(self.longest_end_s, ended_s)
                    raise Bug("cancelled")
            finally:
                _in_subject.reset(token)
                self.alive -= 1

        return live

    @contextmanager
    def _watched(self, scope: trio.CancelScope) -> Iterator[None]:
        steps = _Steps(self, trio.lowlevel.current_task(), scope)
        trio.lowlevel.add_instrument(steps)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(steps)

    def step(self, scope: trio.CancelScope) -> None:
        """Note a step of the service's own task."""
        if self._strikes(self.at_step):
            (self.on_strike or scope.cancel)()

    def call(self) -> None:
        """Note a call of something that the service needs. Raises Bug at the armed one."""
        if _in_subject.get() and self._strikes(self.at_call):
            raise Bug(f"call {self.at_call}")

    def _strikes(self, place: int) -> bool:
        if not (place and self.lives_left):
            return False
        self._seen += 1
        if self._seen != place:
            return False
        self.lives_left, self.count, self.struck_at = self.lives_left - 1, self.count + 1, trio.current_time()
        return True

    def between(self, seams: Seams) -> Seams:
        """Return the seams, with a strike possible at each call."""

        def broken(run_in_thread: Any) -> Any:
            async def run(work: Callable[[], Result], /) -> Result:
                self.call()
                result: Result = await run_in_thread(work)
                return result

            return run

        def now_ms() -> int:
            self.call()
            return seams.now_ms()

        return replace(
            seams,
            now_ms=now_ms,
            run_write=broken(seams.run_write),
            run_read=broken(seams.run_read),
            run_checkpoint=broken(seams.run_checkpoint),
        )

    def enter(self, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
        """Wrap the service whose function is `run`, and its calls of the store."""
        monkeypatch.setattr(run, self.around(resolve_name(run)))
        monkeypatch.setattr(Reader, "fetch", self._broken(Reader.fetch))
        monkeypatch.setattr(Reader, "fetch_together", self._broken(Reader.fetch_together))
        monkeypatch.setattr(Reader, "fetch_for_all", self._broken(Reader.fetch_for_all))
        monkeypatch.setattr(Writer, "begin", self._broken_at_once(Writer.begin))
        monkeypatch.setattr(Writer, "execute_all", self._broken(Writer.execute_all))

    def _broken(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.call()
            return await method(*args, **kwargs)

        return call

    def _broken_at_once(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.call()
            return method(*args, **kwargs)

        return call


@dataclass(eq=False, slots=True)
class _Steps(trio.abc.Instrument):
    strikes: Strikes
    task: trio.lowlevel.Task
    scope: trio.CancelScope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.strikes.step(self.scope)
