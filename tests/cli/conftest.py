"""A command line that runs in this process, and an API that answers as a test tells it."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, TextIOWrapper

import pytest

from daemon.cli import main

KEY = "a-key-of-the-test"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeApi:
    """Answers each request with the next of `answers` (status, body), and keeps what it was asked."""

    url: str
    answers: list[tuple[int, str]] = field(default_factory=list)
    refusal_type: str = "application/problem+json"
    asked: list[Asked] = field(default_factory=list)

    @property
    def last(self) -> Asked:
        return self.asked[-1]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them, so that no connection outlives its test


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith("KAKIYO_WEBHOOKS_") or variable in ("STATE_DIRECTORY", "FORCE_COLOR"):
            monkeypatch.delenv(variable)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_command(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run_command


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    server = _Server(("127.0.0.1", 0), _handler_of(fake := FakeApi("")))
    fake.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_URL", fake.url)
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_KEY", KEY)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def _handler_of(fake: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.asked.append(Asked(self.command, self.path, headers, body))
            status, text = fake.answers.pop(0)
            self.send_response(status)
            self.send_header("content-type", "application/json" if status < 400 else fake.refusal_type)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
