import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as StandardWebhook

from daemon.crypto.signing import Secrets, signature_headers
from daemon.demo.receiver import ReceivedRequest
from daemon.demo.verification import SignatureState, verify
from tests.support.forked_command import ForkedCommand, running_command

PLAIN = "s3cret"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
BODY = b'{"event":"linkedin.message.sent","teamId":"t","timestamp":"x","data":{"message":"Gr\xc3\xbc\xc3\x9fe"}}'


@dataclass(frozen=True)
class Running:
    url: str
    process: ForkedCommand

    def next_line(self) -> str:
        return self.process.stdout.readline()

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        with httpx.Client(trust_env=False, verify=False) as client:
            return client.post(f"{self.url}/hook", content=body, headers=headers).status_code


@contextmanager
def _listening(*options: str) -> Iterator[Running]:
    with running_command("listen", "--port", "0", *options) as process:
        first = process.stderr.readline()
        found = re.match(r"Listening on (http://127\.0\.0\.1:\d+) ", first)
        assert found, first
        yield Running(found[1], process)


def _headers(secret: str | None, sent_at: int | None = None, body: bytes = BODY) -> dict[str, str]:
    seconds = int(time.time()) if sent_at is None else sent_at
    signatures = dict(signature_headers(Secrets(secret), "dlv_1", seconds, body))
    return {
        "content-type": "application/json",
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(seconds),
        "x-kakiyo-event": "linkedin.message.sent",
        **signatures,
    }


@pytest.mark.parametrize("secret", [PLAIN, STANDARD])
def test_right_signatures_are_valid_and_wrong_ones_are_not(tmp_path: Path, secret: str) -> None:
    (tmp_path / "secret").write_text(secret + "\n")
    with _listening("--secret-file", str(tmp_path / "secret"), "--json") as running:
        for headers, body in [
            (_headers(secret), BODY),
            (_headers("another secret"), BODY),
            (_headers(secret), BODY + b" "),
            (_headers(None), BODY),
        ]:
            assert running.post(headers, body) == 200
        seen = [json.loads(running.next_line())["signature"] for _ in range(4)]
    assert seen == ["valid", "invalid", "invalid", "unsigned"]


def test_one_of_two_signatures_missing_or_wrong_is_invalid() -> None:
    full = _headers(STANDARD)
    less = {name: value for name, value in full.items() if name != "webhook-signature"}
    with _listening("--secret", STANDARD, "--json") as running:
        for headers in (less, {**full, "webhook-id": "dlv_2"}, {**full, "webhook-timestamp": "soon"}):
            running.post(headers)
        seen = [json.loads(running.next_line())["signature"] for _ in range(3)]
    assert seen == ["invalid"] * 3


def test_a_strangers_signature_of_the_standard_is_valid_too() -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    headers = _headers(STANDARD, int(now.timestamp()))
    headers["webhook-signature"] = StandardWebhook(STANDARD).sign("dlv_1", now, BODY.decode())
    with _listening("--secret", STANDARD, "--json") as running:
        running.post(headers)
        assert json.loads(running.next_line())["signature"] == "valid"


def test_a_timestamp_more_than_five_minutes_off_is_told() -> None:
    now = int(time.time())
    with _listening("--json") as running:
        for sent_at in (now, now - 290, now - 310, now + 310):
            running.post(_headers(None, sent_at))
        running.post({})
        seen = [json.loads(running.next_line())["timestampFresh"] for _ in range(5)]
    assert seen == [True, True, False, False, None]


def test_a_signed_delivery_without_a_secret_is_unchecked() -> None:
    with _listening("--json") as running:
        running.post(_headers(PLAIN))
        assert json.loads(running.next_line())["signature"] == "unchecked"


def test_json_has_the_whole_request() -> None:
    with _listening("--secret", PLAIN, "--json") as running:
        running.post(_headers(PLAIN))
        line = json.loads(running.next_line())
    assert sorted(line) == [
        "answered", "body", "headers", "method", "path", "receivedAt", "signature", "timestampFresh",
    ]  # fmt: skip
    assert (line["method"], line["path"], line["answered"]) == ("POST", "/hook", 200)
    assert line["body"] == BODY.decode()
    assert line["headers"]["webhook-id"] == "dlv_1"


def test_a_person_sees_verdict_headers_and_pretty_body() -> None:
    with _listening("--secret", PLAIN) as running:
        running.post(_headers(PLAIN))
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        shown = running.process.stdout.read()
    assert "POST /hook linkedin.message.sent answered 200" in shown
    assert "VALID signature, timestamp within 5 minutes" in shown
    assert "webhook-id: dlv_1" in shown
    assert '    "message": "Grüße"' in shown


def test_a_person_sees_each_value_as_it_came() -> None:
    with _listening() as running:
        assert running.post({}, b"[" * 2_000 + b"]" * 2_000) == 200
        assert running.post({}, b'{"price":10.50,"price":1e999}') == 200
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        shown = running.process.stdout.read()
    assert '  "price": 10.50,\n  "price": 1e999\n' in shown


def test_the_first_requests_fail_when_asked_and_the_rest_get_the_status() -> None:
    with _listening("--fail-first", "2", "--status", "204", "--json") as running:
        assert [running.post({}) for _ in range(4)] == [503, 503, 204, 204]


def test_a_body_cannot_steer_the_terminal() -> None:
    with _listening() as running:
        running.post({"x-kakiyo-event": "a[red]b"}, b"not json \x1b[2J \x07")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        shown = running.process.stdout.read()
    assert "not json \\x1b[2J \\x07" in shown
    assert "a[red]b" in shown


def test_nonsense_on_the_wire_does_not_end_it() -> None:
    with _listening("--json") as running:
        host, port = running.url.removeprefix("http://").split(":")
        for nonsense in (
            b"\x16\x03\x01 no http\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nshort",
            b"",
        ):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(nonsense)
        assert running.post({}) == 200


def test_connections_are_kept_alive() -> None:
    with _listening("--json") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answers:
            for _ in range(2):
                connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                while answers.readline() != b"\r\n":
                    pass
                assert answers.readline() == b"ok\n"


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with _listening("--json") as running:
        running.process.stdout.close()
        with pytest.raises(httpx.TransportError):
            running.post({})
        assert running.process.wait(10) == 0
        assert running.process.stderr.read() == ""


def test_a_port_that_is_taken_is_said(run: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run("listen", "--port", str(taken.getsockname()[1]))
    assert ended.code == 2
    assert "choose another with --port" in ended.err


@dataclass(frozen=True)
class Behind:
    """A server that deliveries are forwarded to: what came, byte for byte, and how it answers."""

    url: str
    came: list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def behind() -> Iterator[Behind]:
    came: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(418 if self.path.endswith("teapot") else 201)
            self.send_header("content-type", "text/tea")
            self.end_headers()
            self.wfile.write(b"short and stout")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Behind(f"http://127.0.0.1:{server.server_port}", came)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_delivery_is_passed_on_as_it_came_and_answered_as_the_server_answers(behind: Behind) -> None:
    sent = _headers(STANDARD)
    with _listening("--forward-to", behind.url, "--secret", STANDARD, "--json") as running:
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"{running.url}/hook?a=b", content=BODY, headers=sent)
        assert json.loads(running.next_line())["answered"] == 201
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (201, "text/tea", b"short and stout")
    [(path, headers, body)] = behind.came
    assert (path, body) == ("/hook?a=b", BODY)
    assert {name: headers[name.lower()] for name in sent} == sent
    assert headers["host"] == behind.url.removeprefix("http://")
    got = ReceivedRequest(0, "POST", path, headers=tuple(headers.items()), body=body)
    assert verify(got, STANDARD).signature is SignatureState.VALID


def test_a_url_with_a_path_gets_every_delivery_there(behind: Behind) -> None:
    with _listening("--forward-to", f"{behind.url.removeprefix('http://')}/teapot", "--fail-first", "1") as running:
        assert [running.post({}) for _ in range(2)] == [503, 418]
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 0
        shown = running.process.stdout.read()
    assert [path for path, _, _ in behind.came] == ["/teapot"]
    assert re.search(r"answered 418 in \d+ ms\n.*\n  short and stout\n", shown), shown


def test_a_server_that_cannot_be_reached_is_a_sentence_and_502() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with _listening("--forward-to", url, "--json") as running, httpx.Client(trust_env=False) as client:
            answer = client.post(running.url, content=BODY)
    assert answer.status_code == 502
    assert answer.text == f"{url} cannot be reached: start your server, or correct the URL.\n"


@pytest.mark.parametrize("url", ["ftp://localhost", "http://", "http://localhost:x", "localhost:0", "http://[::"])
def test_what_is_no_server_to_forward_to_is_wrong_usage(run: Any, url: str) -> None:
    ended = run("listen", "--port", "0", "--forward-to", url)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
