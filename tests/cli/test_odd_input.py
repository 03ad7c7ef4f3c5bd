"""Arguments, data and servers of every kind (contract "Command line"): always a sentence, never a traceback."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.log_sources import read_file, read_pipe

SEND = ("events", "send", "--type", "a.b", "--data")
NOT_UTF8 = os.fsdecode(b"caf\xe9")
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "data", ['{"n": NaN}', '{"n": Infinity, "n": -Infinity}', '{"s": "\\ud800"}', '{"n": 1e400}', DEEP]
)
def test_json_is_sent_as_it_was_given_and_left_to_the_api_to_judge(
    run: Any, api: Any, tmp_path: Path, data: str
) -> None:
    (tmp_path / "data.json").write_text("\ufeff" + data)
    api.answers = [(202, '{"id": "evt_1", "deliveries": 0}')]
    assert run(*SEND, f"@{tmp_path}/data.json").code == 0
    assert api.last.body == b'{"event": "a.b", "data": ' + data.encode() + b"}"


@pytest.mark.fault(
    "Arguments that are not UTF-8, NaN, broken JSON, odd idempotency keys and files on the command line",
    "One sentence and exit code 2, never a traceback",
)
@pytest.mark.parametrize(
    "arguments",
    [
        [*SEND, NOT_UTF8],
        [*SEND, '{"a": "' + NOT_UTF8 + '"}'],
        [*SEND, '{}, "teamId": "other"'],
        [*SEND, "{}", "--team", NOT_UTF8],
        [*SEND, "@/dev/zero"],
        [*SEND, "{}", "--idempotency-key", "a\nb"],
        [*SEND, "{}", "--idempotency-key", "schlüssel"],
        [*SEND, "{}", "--idempotency-key", NOT_UTF8],
        [*SEND, "{}", "--timestamp", "0001-01-01T00:00:00+23:59"],
        ["teams", "create", "--name", NOT_UTF8],
        ["deliveries", "list", "--webhook", NOT_UTF8],
        ["deliveries", "list", "--since", "0001-01-01T00:00:00+23:59"],
        ["events", "batch", "/dev/zero"],
        ["teams", "list", "--api-url", f"http://{NOT_UTF8}"],
        ["teams", "list", "--api-url", "http://a b:c"],
        ["teams", "list", "--api-url", "http://a b/"],
        ["teams", "list", "--api-url", "http://"],
        ["teams", "list", "--api-url", "http://127.0.0.1:99999"],
        ["teams", "list", "--api-url", "http://127.0.0.1:-1"],
        ["teams", "list", "--api-url", "http://127.0.0.1:0"],
        ["teams", "list", "--api-url", "http://a..b"],
        ["teams", "list", "--api-url", "http://xn--$.example"],
        ["teams", "list", "--api-url", "http://" + "x" * 300 + ".example"],
        ["teams", "list", "--api-url", "http://name:password@127.0.0.1:8480"],
        ["teams", "list", "--api-url", "http://127.0.0.1:8480/?q"],
        ["teams", "list", "--api-url", "http://" + "x" * 70_000],
    ],
)
def test_arguments_of_any_kind_end_in_a_sentence(run: Any, api: Any, arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.code == 2, ended.err
    assert ended.err
    assert "Traceback" not in ended.err
    assert "cannot be reached" not in ended.err
    assert api.asked == []


@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize(
    "command", [["webhooks", "show"], ["webhooks", "enable"], ["events", "show"], ["keys", "list"]]
)
def test_an_id_that_no_path_can_hold_is_not_found(run: Any, api: Any, command: list[str], name: str) -> None:
    ended = run(*command, *(["--team"] if command[0] == "keys" else []), name)
    assert (ended.code, ended.err) == (4, "There is nothing with such an id: check it.\n")
    assert api.asked == []


def test_a_byte_order_mark_is_no_part_of_secrets_and_batches(run: Any, api: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b'\xef\xbb\xbf[{"event": "a.b"}]\r\n')
    api.answers = [(202, '{"receipts": []}'), (200, '{"id": "wh_1"}')]
    run("events", "batch", str(file))
    assert api.last.body == b'[{"event": "a.b"}]\r\n'
    assert api.last.headers["content-type"] == "application/json"
    file.write_bytes(b"\xef\xbb\xbfwhsec_x\r\n")
    run("webhooks", "update", "wh_1", "--secret-file", str(file))
    assert json.loads(api.last.body)["secret"] == "whsec_x"


@pytest.mark.parametrize("given", ["2016-12-31T23:59:60Z", "2016-12-31t18:59:60-05:00"])
def test_a_leap_second_is_left_to_the_api_to_judge(run: Any, api: Any, given: str) -> None:
    api.answers = [(202, '{"id": "evt_1", "deliveries": 0}'), (200, '{"items": [], "nextCursor": null}')]
    assert run(*SEND, "{}", "--timestamp", given).code == 0
    assert json.loads(api.last.body)["timestamp"] == given
    assert run("deliveries", "list", "--since", given).code == 0
    assert run("logs", "/dev/null", "--since", given).code == 0


@pytest.mark.fault(
    "A log that cannot be read, or that is one line without an end",
    "A sentence and exit code 2, and never more than 1 MiB of it in memory",
)
@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_a_log_that_cannot_be_read_is_told_from_output_that_cannot_be_written(run: Any, follow: list[str]) -> None:
    ended = run("logs", "/proc/self/mem", *follow)
    assert (ended.code, ended.err) == (2, "/proc/self/mem: cannot be read (Input/output error): check the path.\n")


def test_a_line_without_an_end_comes_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as opened:
        opened.write(b"x" * (5 * 1024 * 1024 // 2) + b"\nend\n")
    mebibyte = 1024 * 1024
    with file.open("rb") as pipe:
        assert [*map(len, read_pipe(pipe))] == [mebibyte, mebibyte, mebibyte // 2, 3]
    assert [*map(len, read_file(file, follow=False))] == [mebibyte, mebibyte, mebibyte // 2, 3]


@pytest.fixture
def stranger() -> Iterator[Any]:
    """A server that answers each connection with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve(answer: bytes) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100_000)
                try:
                    connection.sendall(answer)
                except OSError:
                    return

        def start(answer: bytes) -> str:
            threading.Thread(target=serve, args=(answer,), daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        ended.set()


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        JSON_HEAD + b"Content-Length: 50\r\n\r\n{}",
        JSON_HEAD + b"Content-Encoding: gzip\r\n\r\nnot gzip",
        JSON_HEAD + b"\r\n[]",
        JSON_HEAD + b'\r\n{"items": 5}',
        JSON_HEAD + b'\r\n{"items": [{}], "nextCursor": null}',
        JSON_HEAD + b"\r\n" + b"[" * 100_000,
        JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_whoever_answers_on_that_port_is_told_from_the_daemon(
    run: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_KEY", "k")
    ended = run("teams", "list", "--api-url", stranger(answer))
    assert ended.code == 3
    assert "is not a Kakiyo Webhooks daemon" in ended.err
    assert ended.err.count("\n") == 1


def test_an_answer_without_end_is_not_read_on(run: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_KEY", "k")
    monkeypatch.setattr("daemon.cli.exchange._LONGEST_ANSWER", 100_000)
    ended = run("teams", "list", "--api-url", stranger(JSON_HEAD + b"\r\n" + bytes(1_000_000)))
    assert (ended.code, "answers without end" in ended.err) == (3, True)


def test_a_bug_is_a_sentence_and_has_an_exit_code_of_its_own(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cli.settings.settings_reader", lambda *_, **__: 1 / 0)
    ended = run("check-config")
    assert ended.code == 70
    assert "ZeroDivisionError" in ended.err
    assert "KAKIYO_WEBHOOKS_DEBUG=1" in ended.err
    assert "Traceback" not in ended.err


def test_the_command_line_takes_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    config = os.fsencode(tmp_path) + b"/caf\xe9.toml"
    with open(config, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(b'\xef\xbb\xbf[log]\nlevel = "debug"\n')
    command: list[str | bytes] = [sys.executable, "-m", "daemon", "check-config", "--config", config]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b'log.level = "debug"' in ended.stdout
