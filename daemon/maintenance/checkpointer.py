"""The checkpointer, an actor: keeps the write-ahead log short, concurrently with commits."""

from functools import partial

import trio

from daemon.actors.threads import RunInThread
from daemon.domain.errors import StoreUnavailable
from daemon.store.engine import Checkpoint, Checkpoints
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

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

    async def run(self) -> None:
        """Checkpoint until cancelled."""
        while True:
            await self._writer.checkpoint_due()
            while not await self._checkpoint_whole():
                await self._warn_if_large()
                await trio.sleep(_RETRY_S)
            self._has_warned = False

    async def _checkpoint_whole(self) -> bool:
        """Copy the whole log; return whether that worked: a long read or a failing disk may prevent it."""
        try:
            while (done := await self._checkpoint()).is_whole:
                if not await self._run_in_thread(partial(self._wal.holds, done.frames + _LAST_FRAMES)):
                    # The log starts over only if all of it is copied and nothing was committed since.
                    async with self._writer.paused():
                        return (await self._checkpoint()).is_whole
        except StoreUnavailable as error:
            self._log.warning("checkpoint_failed", error=str(error), retryInMs=_RETRY_S * 1000)
        return False

    async def _checkpoint(self) -> Checkpoint:
        return await self._run_in_thread(self._wal.checkpoint)

    async def _warn_if_large(self) -> None:
        if not self._has_warned and await self._run_in_thread(partial(self._wal.holds, LARGE_LOG_FRAMES)):
            self._has_warned = True
            self._log.warning("write_ahead_log_large", bytes=self._wal.size())
