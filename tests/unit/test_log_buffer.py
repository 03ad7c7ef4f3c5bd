"""The log behind a reader that stalls: nobody waits, what is lost is counted and told."""

import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from threading import Event

import pytest

from daemon.config.settings import LogSettings
from daemon.telemetry.log import LogSink, make_logger
from daemon.telemetry.log_buffer import MAX_QUEUED_BYTES, LogBuffer, MessagesOutput
from daemon.telemetry.log_file import LogFile

LINE = b"x" * 1000


class Gate:
    """A sink that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.opened, self.written = Event(), list[bytes]()

    def write(self, entries: Sequence[bytes]) -> int:
        self.opened.wait()
        self.written += entries
        return 0


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def ignore(_count: int) -> None:
    pass


def test_a_sink_that_stalls_holds_up_nobody_and_takes_no_more_memory_than_is_set(gate: Gate) -> None:
    lost: list[int] = []
    buffer = LogBuffer(gate.write, lost.append)
    sent = 2 * MAX_QUEUED_BYTES // len(LINE)
    for _ in range(sent):
        buffer.info(LINE)
    assert not buffer.close(0.01)
    gate.opened.set()
    assert buffer.close(5)
    assert sum(map(len, gate.written)) <= MAX_QUEUED_BYTES
    assert len(gate.written) + sum(lost) == sent


def test_of_many_entries_at_once_those_that_fit_are_taken(gate: Gate) -> None:
    lost: list[int] = []
    buffer = LogBuffer(gate.write, lost.append)
    buffer.msg_all([LINE, b"x" * MAX_QUEUED_BYTES, b"short", b"y" * MAX_QUEUED_BYTES])
    gate.opened.set()
    assert buffer.close(5)
    assert gate.written == [LINE, b"short"]
    assert lost == [2]


def test_what_python_says_leaves_room_for_the_daemons_own_lines(gate: Gate) -> None:
    buffer = LogBuffer(gate.write, ignore)
    messages = MessagesOutput(buffer)
    for _ in range(2 * MAX_QUEUED_BYTES // len(LINE)):
        messages.warning(LINE)
    buffer.info(b"the last line")
    messages.warning(LINE)
    gate.opened.set()
    assert buffer.close(5)
    assert gate.written[-1] == b"the last line"
    assert len(gate.written) > 500


def test_what_is_lost_is_told_when_the_log_flows_again(gate: Gate) -> None:
    lost: list[int] = []
    buffer = LogBuffer(gate.write, lost.append)
    log = make_logger(LogSettings(), LogSink(buffer, as_json=True, to_journal=False, in_colour=False), strict=True)
    while not lost:
        log.info("settings_reloaded", changed=["x" * 10_000])
    gate.opened.set()
    assert buffer.close(5)
    told = [json.loads(line) for line in gate.written if b"log_lines_dropped" in line]
    assert [(line["level"], line["event"], line["count"]) for line in told] == [
        ("warning", "log_lines_dropped", len(lost))
    ]
    log.info("daemon_stopped")
    assert buffer.close(5)
    assert b"daemon_stopped" in gate.written[-1]


def test_closing_waits_for_what_is_on_its_way() -> None:
    written: list[bytes] = []

    def write(entries: Sequence[bytes]) -> int:
        time.sleep(0.01)
        written.extend(entries)
        return 0

    buffer = LogBuffer(write, ignore)
    for number in range(1_000):
        buffer.info(b"%d" % number)
    assert buffer.close(5)
    assert written == [b"%d" % number for number in range(1_000)]


def test_lines_that_cannot_be_written_are_counted_and_told_later() -> None:
    answers, lost, told, written = [2, 0], list[int](), list[int](), list[bytes]()

    def write(entries: Sequence[bytes]) -> int:
        written.extend(entries)
        return min(answers.pop(0) if answers else 0, len(entries))

    buffer = LogBuffer(write, lost.append)
    buffer.report_dropped = told.append
    buffer.info(b"1")
    buffer.info(b"2")
    assert buffer.close(5)
    buffer.info(b"3")
    assert buffer.close(5)
    assert sum(lost) == sum(told) > 0


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    buffer = LogBuffer(LogFile(writer).write, ignore)
    for _ in range(500):
        buffer.info(LINE)
    read = b""
    with io.FileIO(reader) as pipe:
        while len(read) < 500 * (len(LINE) + 1):
            read += pipe.read(100_000) or b""
    assert buffer.close(5)
    os.close(writer)
    assert read == (LINE + b"\n") * 500


def test_a_full_disk_loses_the_lines_and_counts_them() -> None:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device
        assert LogFile(full.fileno()).write([b"1", b"2", b"3"]) == 3


def test_a_closed_descriptor_loses_the_lines_and_counts_them() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    file = LogFile(writer)
    assert file.write([b"1", b"2"]) == 2
    os.close(writer)
    assert file.write([b"1"]) == 1


def test_a_line_that_was_cut_does_not_run_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    written, room = bytearray(), [8, 0, 100]

    def write(_descriptor: int, data: memoryview) -> int:
        if (free := room.pop(0)) == 0:
            raise OSError(28, "No space left on device")
        written.extend(data[:free])
        return min(free, len(data))

    monkeypatch.setattr(os, "write", write)
    file = LogFile(2)
    assert file.write([b"first", b"second", b"third"]) == 2
    assert file.write([b"later"]) == 0
    assert bytes(written) == b"first\nse\nlater\n"
