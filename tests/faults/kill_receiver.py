"""The receiver of the kill suite, a process of its own: it logs each request, then answers as its path says.

    python -m tests.faults.kill_receiver LOG SEED

It prints its URL, and ends when its stdin does. Paths: `/BEHAVIOUR/NAME…` for webhooks, `/killed` for the mark that the
driver sets between two lives of the daemon. Connections are counted in the order in which they were made: those before
a mark belong to the life before it.
"""

import json
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.faults.evidence import Arrival
from tests.support.receivers import Exchange, Receiver, open_receiver, response

_STRETCH = 40  # events; a moody receiver is out of order for every third such stretch
_SLOW_S = 0.02


def answer_of(behaviour: str, seed: int, delivery_id: str, number: int, attempt: int) -> int:
    """Return the status that this receiver answers to this attempt: always the same, and 0 for hanging up."""
    chance = random.Random(f"{seed} {delivery_id} {attempt}").random()
    failing: Mapping[str, bool] = {
        "healthy": False,
        "slow": False,
        "flaky": chance < 0.3,
        "moody": number // _STRETCH % 3 == 0,
        "down": True,
    }
    if not failing[behaviour]:
        return 200
    return (500, 503, 404, 0)[int(chance * 1000) % 4]


@dataclass(slots=True)
class Recorder:
    """Writes a line for each request before it is answered; the lines of a log that is appended to survive it all."""

    seed: int
    log: int
    receiver: Receiver | None = None

    async def __call__(self, exchange: Exchange) -> None:
        assert self.receiver is not None
        self.receiver.requests.clear()
        behaviour = exchange.request.request_line.split()[1].split("/")[1]
        if behaviour == "killed":
            self._write(mark=exchange.request.connection)
            await exchange.send(response(204))
            return
        await self._receive(exchange, behaviour)

    async def _receive(self, exchange: Exchange, behaviour: str) -> None:
        delivery_id = exchange.request.header("webhook-id") or ""
        attempt = int(exchange.request.header("X-Kakiyo-Attempt") or 0)
        number = json.loads(exchange.request.body)["data"]["n"]
        status = answer_of(behaviour, self.seed, delivery_id, number, attempt)
        self._write(connection=exchange.request.connection, arrival=[delivery_id, attempt, number, status])
        if behaviour == "slow":
            await trio.sleep(_SLOW_S)
        if status:
            await exchange.send(response(status))
        exchange.keep_open = bool(status)

    def _write(self, **line: object) -> None:
        os.write(self.log, json.dumps(line).encode() + b"\n")


def read_log(path: Path) -> tuple[Arrival, ...]:
    """Return the arrivals of a log, each with the life of the daemon that it came from."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    marks = [line["mark"] for line in lines if "mark" in line]
    return tuple(
        Arrival(sum(mark < line["connection"] for mark in marks), delivery_id, attempt, number, status or None)
        for line in lines
        if "arrival" in line
        for delivery_id, attempt, number, status in [line["arrival"]]
    )


async def _main(path: str, seed: int) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    recorder = Recorder(seed, log)
    async with open_receiver(recorder) as recorder.receiver:
        sys.stdout.write(recorder.receiver.url.removesuffix("/hook") + "\n")
        sys.stdout.flush()
        await trio.lowlevel.FdStream(os.dup(0)).receive_some()


if __name__ == "__main__":
    trio.run(_main, sys.argv[1], int(sys.argv[2]))
