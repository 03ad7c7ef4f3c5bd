"""Warnings that say the same again and again: five of each a minute, and a count of the rest."""

import io
import json
from typing import Any

import trio
from trio.testing import MockClock

from daemon.config.settings import LogSettings
from daemon.telemetry.log import make_logger
from daemon.telemetry.log_throttle import LogThrottle, report_suppressed


def lines(file: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.getvalue().splitlines()]


async def test_repeated_warnings_are_left_out_and_counted_each_minute(autojump_clock: MockClock) -> None:
    file, throttle = io.BytesIO(), LogThrottle()
    log = make_logger(LogSettings(), file, strict=True, throttle=throttle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report_suppressed, throttle, log)
        for number in range(12):
            log.error("store_unavailable", error="the disk is full", retryInMs=number)
        log.error("store_unavailable", error="it is locked", retryInMs=1)
        await trio.sleep(61)
        log.error("store_unavailable", error="the disk is full", retryInMs=1)
        await trio.sleep(121)
        nursery.cancel_scope.cancel()
    said = [(line["event"], line.get("error"), line.get("count")) for line in lines(file)]
    assert said == [
        *[("store_unavailable", "the disk is full", None)] * 5,
        ("store_unavailable", "it is locked", None),
        ("log_lines_suppressed", None, 7),
        ("store_unavailable", "the disk is full", None),
    ]


def test_what_happens_to_a_delivery_is_never_left_out_and_neither_is_what_is_no_warning() -> None:
    file = io.BytesIO()
    log = make_logger(LogSettings(), file, strict=True, throttle=LogThrottle())
    for _ in range(20):
        log.warning("delivery_failed", deliveryId="dlv_1")
        log.info("team_changed", teamId="acme")
    assert len(lines(file)) == 40


def test_warnings_of_ever_new_content_take_no_more_than_so_much_memory() -> None:
    file, throttle = io.BytesIO(), LogThrottle()
    log = make_logger(LogSettings(), file, throttle=throttle)
    for number in range(5_000):
        log.warning("dev_mode", reason=str(number))
    assert len(lines(file)) == 5_000
    assert throttle.end_window() == []
    assert len(throttle._seen) == 0
