"""The checkpointer, an actor: keeps the write-ahead log short, concurrently with commits."""

from functools import partial

import trio

from daemon.actors.threads import RunInThread
from daemon.domain.errors import StoreUnavailable
from daemon.store.engine import Checkpoints
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# Commits may add 16 MB while earlier ones are copied, then they wait: otherwise a writer that is as fast as the copying
# would let the log grow without an end.
_FRAMES_MEANWHILE = 4_000
# 256 MB, which a backup of a large database under load may reach; a log that grows further may fill the disk.
LARGE_LOG_FRAMES = 64_000
# The rest, copied while commits wait: a few milliseconds.
_LAST_FRAMES = 500
# SQLite does not signal that a read has ended, or that the disk has space again.
_RETRY_S = 1


class Checkpointer:
    """Checkpoints whenever the log has grown by 16 MB, in a thread of its own."""

    def __init__(self, *, store: Store, telemetry: Telemetry, wal: Checkpoints, run_in_thread: RunInThread) -> None:
        self._wal = wal
        self._run_in_thread = run_in_thread
        self._writer = store.writer
        self._log = telemetry.log
        self._has_warned = False
        self._frames = 0  # of the log when it was last copied
        self._is_to_be_emptied = False

    def empty(self) -> None:
        """Have the log emptied soon: it may have something that was erased."""
        self._is_to_be_emptied = True
        self._writer.ask_for_checkpoint()

    async def run(self) -> None:
        """Checkpoint until cancelled."""
        self.empty()  # an earlier life may have been killed before it could
        while True:
            await self._writer.checkpoint_due()
            while not await self._checkpoint_whole():
                await self._warn_if_large()
                await trio.sleep(_RETRY_S)
            self._has_warned, self._frames = False, 0

    async def _checkpoint_whole(self) -> bool:
        """Copy the whole log; return whether that worked: a long read or a failing disk may prevent it."""
        if await self._checkpoint_beside_commits():
            # The log starts over only if all of it is copied and nothing was committed since.
            async with self._writer.paused():
                return await self._checkpoint() and await self._empty()
        return False

    async def _empty(self) -> bool:
        """Empty the log, if that was asked for; return False if a read prevents it."""
        if self._is_to_be_emptied:
            try:
                self._is_to_be_emptied = not await self._run_in_thread(self._wal.empty)
            except StoreUnavailable as error:
                self._log.warning("checkpoint_failed", error=str(error), retryInMs=_RETRY_S * 1000)
        return not self._is_to_be_emptied

    async def _checkpoint_beside_commits(self) -> bool:
        """Copy until little is left; return False if something prevents that."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._limit_commits)
            while (is_whole := await self._checkpoint()) and await self._holds(self._frames + _LAST_FRAMES):
                pass
            nursery.cancel_scope.cancel()
        return is_whole

    async def _limit_commits(self) -> None:
        """Hold off commits once they have added `_FRAMES_MEANWHILE`, until cancelled."""
        limit = max(self._frames, self._wal.due_frames) + _FRAMES_MEANWHILE
        while not await self._holds(limit):
            await self._writer.checkpoint_due()
        async with self._writer.paused():
            await trio.sleep_forever()

    async def _checkpoint(self) -> bool:
        """Copy what can be copied; return whether that was all."""
        try:
            done = await self._run_in_thread(self._wal.checkpoint)
        except StoreUnavailable as error:
            self._log.warning("checkpoint_failed", error=str(error), retryInMs=_RETRY_S * 1000)
            return False
        self._frames = done.frames
        return done.is_whole

    async def _holds(self, frames: int) -> bool:
        return await self._run_in_thread(partial(self._wal.holds, frames))

    async def _warn_if_large(self) -> None:
        if not self._has_warned and await self._holds(LARGE_LOG_FRAMES):
            self._has_warned = True
            self._log.warning("write_ahead_log_large", bytes=self._wal.size())
