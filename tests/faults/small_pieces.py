"""`python -m tests.faults.small_pieces serve …` is `python -m daemon serve …` to which a few deliveries are many.

Submissions that make more than 150 are fanned out, 20 deliveries at a time. `use_small_pieces` does so in a test. With
$KILLED_AT (`before 3`, `inside 3`, `after 3`) it ends by SIGKILL at its third piece: before it, in the middle of its
transaction, or between its commit and what follows from it. Bulk jobs and erasures have pages as small, and $KILLED_IN
(`MoveBulkJob`, `CancelForJob`, `EraseEvent`, `EraseAnswers`) means one of theirs instead of a piece.
"""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import main as run_command_line
from daemon.delivery import fan_out, matcher
from daemon.management import bulk_runner, eraser
from daemon.store.erasure_commands import EraseAnswers, EraseEvent
from daemon.store.fan_out_commands import MakeDeliveries
from daemon.store.job_commands import CancelForJob, MoveBulkJob
from daemon.store.writes import batch, writer
from tests.support.process import Installation, Sections, make_installation

MOST_AT_ONCE = 150
PIECE = 20
KINDS = {kind.__name__: kind for kind in (MakeDeliveries, MoveBulkJob, CancelForJob, EraseEvent, EraseAnswers)}


def use_small_pieces(patch: pytest.MonkeyPatch) -> None:
    """Make a few deliveries many pieces."""
    patch.setattr(matcher, "_MOST_AT_ONCE", MOST_AT_ONCE)
    patch.setattr(fan_out, "_DELIVERIES_AT_ONCE", PIECE)
    patch.setattr(bulk_runner, "_RESENT_AT_ONCE", PIECE)
    patch.setattr(bulk_runner, "_CANCELLED_AT_ONCE", PIECE)
    patch.setattr(eraser, "_AT_ONCE", PIECE)


def make_small_pieces_installation(directory: Path, sections: Sections) -> Installation:
    """Make an installation, as `make_installation` does, whose daemon fans out in small pieces."""
    return replace(make_installation(directory, sections), program=("tests.faults.small_pieces",))


def be_killed(patch: pytest.MonkeyPatch, kind: type, moment: str, at_piece: int) -> None:
    """Have this process end by SIGKILL at a moment of a piece, a command of this kind, counted from 1."""
    make, run, pieces = batch.APPLY[kind], batch.run_batch, 0

    def kill_at(now: str) -> None:
        if (now, pieces) == (moment, at_piece):
            os.kill(os.getpid(), signal.SIGKILL)

    def make_piece(*args: Any) -> Any:
        nonlocal pieces
        pieces += 1
        kill_at("before")
        answers = make(*args)
        kill_at("inside")
        return answers

    def run_batch(*args: Any) -> Any:
        answers = run(*args)
        kill_at("after")
        return answers

    patch.setattr(batch, "APPLY", {**batch.APPLY, kind: make_piece})
    patch.setattr(writer, "run_batch", run_batch)


def main() -> None:
    """Run the command line with small pieces, and a kill if one is asked for."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_pieces(monkeypatch)
        if killed_at := os.environ.get("KILLED_AT"):
            name, _, count = killed_at.partition(" ")
            kind = KINDS[os.environ.get("KILLED_IN", MakeDeliveries.__name__)]
            be_killed(monkeypatch, kind, name, at_piece=int(count))
        run_command_line()


if __name__ == "__main__":
    main()
