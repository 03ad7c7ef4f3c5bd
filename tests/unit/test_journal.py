"""Entries for systemd's journal: priorities, fields, and a journal that does not listen."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from daemon.systemd.journal import JournalSocket, field_name, journal_entry, stderr_is_the_journal
from daemon.telemetry.log_buffer import LogBuffer


def read_entry(entry: bytes) -> list[tuple[str, bytes]]:
    """Read a datagram as journald does."""
    fields = []
    while entry:
        head, _, entry = entry.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            length = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        fields.append((name.decode(), value))
    return fields


def test_an_entry_has_the_line_a_priority_and_every_field() -> None:
    fields = {"timestamp": "…", "level": "warning", "event": "delivery_failed", "deliveryId": "dlv_1", "status": 500,
              "error": None, "test": False}  # fmt: skip
    assert read_entry(journal_entry(fields, b'{"level":"warning"}')) == [
        ("MESSAGE", b'{"level":"warning"}'),
        ("PRIORITY", b"4"),
        ("SYSLOG_IDENTIFIER", b"kakiyo-webhooks"),
        ("EVENT", b"delivery_failed"),
        ("DELIVERY_ID", b"dlv_1"),
        ("STATUS", b"500"),
        ("TEST", b"False"),
    ]


def test_a_list_is_a_field_for_each_item() -> None:
    fields = {"level": "info", "event": "event_accepted", "deliveryIds": ["dlv_1", "dlv_2"]}
    assert read_entry(journal_entry(fields, b"{}"))[-2:] == [("DELIVERY_ID", b"dlv_1"), ("DELIVERY_ID", b"dlv_2")]


def test_a_value_of_several_lines_forges_no_field() -> None:
    fields = {"level": "error", "event": "daemon_failed", "error": "a\nPRIORITY=7\nb"}
    assert read_entry(journal_entry(fields, b"{}"))[-1] == ("ERROR", b"a\nPRIORITY=7\nb")


def test_names_are_those_of_the_journal() -> None:
    assert [field_name(name) for name in ("webhookId", "error", "durationMs")] == ["WEBHOOK_ID", "ERROR", "DURATION_MS"]


def test_entries_that_a_journal_does_not_take_are_lost_and_counted(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with closing(JournalSocket(address)) as entries:
        assert entries.write([b"nobody", b"listens"]) == 2
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(address)
            journal.settimeout(0)
            assert entries.write([b"now", bytes(10_000_000)]) == 1
            assert journal.recv(100) == b"now"


def test_a_journal_whose_queue_is_full_loses_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with closing(JournalSocket(address)) as entries, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        journal.settimeout(5)
        buffer = LogBuffer(entries.write, lambda count: None)
        for number in range(1_000):
            buffer.info(b"%d" % number)
        assert [journal.recv(100) for _ in range(1_000)] == [b"%d" % number for number in range(1_000)]
        assert buffer.close(5)


def test_the_journal_is_known_by_its_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        status = os.fstat(stderr.fileno())
        assert stderr_is_the_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not stderr_is_the_journal({"JOURNAL_STREAM": f"{status.st_dev}:1"})
        assert not stderr_is_the_journal({})
