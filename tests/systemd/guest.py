"""A program on a machine under test that submits events over local HTTP and receives their deliveries.

Out here, `Guest` starts it and talks to it: one line of JSON each way. In there it is `python -m tests.systemd.guest`.
"""

import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.systemd.machine import Machine

_REPOSITORY = Path(__file__).parents[2]
_API = ("127.0.0.1", 8480)
_OPERATOR_KEY = Path("/etc/kakiyo-webhooks/credentials/operator-key")
_PATIENCE_S = 30
_PAUSE_S = 0.01


class Guest:
    """The program, from out here."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        command = machine.command("env", "-C", str(_REPOSITORY), sys.executable, "-m", "tests.systemd.guest")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what: str, **arguments: Any) -> Any:
        """Have it do something (a method of `_Inside`) and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        """Set the team and its webhook up."""
        self.ask("set_up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class _Inside:
    """The program itself: a receiver, and clients that submit as long as they are told to."""

    def __init__(self) -> None:
        self._key = _OPERATOR_KEY.read_text().strip()
        self._numbers = itertools.count()
        self._received: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._slow_s = 0.0
        self._receiver = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._receiver.serve_forever, daemon=True).start()
        self._clients: list[threading.Thread] = []
        self._stop = threading.Event()
        self._accepted: list[int] = []
        self._failures: Counter[str] = Counter()
        self._repeated = 0
        self._longest_s = 0.0

    def set_up(self) -> Any:
        """Make a team with a webhook that leads here."""
        self._call("POST", "/v1/teams", {"id": "acme", "name": "Acme"})
        url = f"http://127.0.0.1:{self._receiver.server_port}/"
        body = {"teamId": "acme", "name": "CRM", "url": url, "events": ["*"]}
        return self._call("POST", "/v1/webhooks", body)

    def answer_slowly(self, seconds: float) -> None:
        """Take so long for each delivery from now on."""
        self._slow_s = seconds

    def submit(self, **headers: str) -> Any:
        """Submit one event; return its receipt."""
        return self._call("POST", "/v1/events", _event(next(self._numbers)), headers)

    def look(self, path: str) -> Any:
        """Return what the API answers."""
        return self._call("GET", path)

    def begin_load(self, clients: int) -> None:
        """Submit from so many clients: every other one makes a connection for each event."""
        self._stop.clear()
        self._clients = [
            threading.Thread(target=self._client, args=(place % 2,), daemon=True) for place in range(clients)
        ]
        for client in self._clients:
            client.start()

    def end_load(self, wait_s: float = _PATIENCE_S) -> Any:
        """End it; return what was accepted, what failed, and what has not arrived within `wait_s`."""
        self._stop.set()
        for client in self._clients:
            client.join()
        accepted = set(self._accepted)
        with self._changed:
            self._changed.wait_for(lambda: accepted <= self._received.keys(), wait_s)
        return {
            "accepted": len(accepted),
            "failures": dict(self._failures),
            "lost": sorted(accepted - self._received.keys()),
            "repeated": self._repeated,
            "twice": sum(count > 1 for count in self._received.values()),
            "longestMs": round(self._longest_s * 1000),
        }

    def wait_for_deliveries(self, count: int) -> int:
        """Wait until so many deliveries have begun to be received; return how many have."""
        with self._changed:
            self._changed.wait_for(lambda: self._received.total() >= count, _PATIENCE_S)
            return self._received.total()

    def time_until_answered(self) -> float:
        """Return how long it takes, in seconds, until a submission is accepted from now on."""
        started = time.monotonic()
        self.submit()
        return time.monotonic() - started

    def _client(self, keeps: int) -> None:
        connection = http.client.HTTPConnection(*_API, timeout=_PATIENCE_S)
        while not self._stop.is_set():
            number, started = next(self._numbers), time.monotonic()
            try:
                status = self._post_again_if_closed(connection, number)
            except OSError as error:
                status = 0
                self._failures[type(error).__name__] += 1
            if status == 202:
                self._accepted.append(number)
                self._longest_s = max(self._longest_s, time.monotonic() - started)
            elif status:
                self._failures[str(status)] += 1
            if not keeps or not status:
                connection.close()
            # Every restart meets requests under way all the same, and other tests have work to do, too.
            self._stop.wait(_PAUSE_S)

    def _post_again_if_closed(self, connection: http.client.HTTPConnection, number: int) -> int:
        """Do as HTTP clients do: what meets a kept connection's end goes once more over a new one (RFC 9112 9.3.1)."""
        was_kept = connection.sock is not None
        try:
            return self._post(connection, number)
        except (BrokenPipeError, ConnectionResetError):
            if not was_kept:
                raise
        self._repeated += 1
        connection.close()
        return self._post(connection, number)

    def _post(self, connection: http.client.HTTPConnection, number: int) -> int:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        headers["Idempotency-Key"] = f"number-{number}"
        connection.request("POST", "/v1/events", json.dumps(_event(number)), headers)
        response = connection.getresponse()
        response.read()
        return response.status

    def _call(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        connection = http.client.HTTPConnection(*_API, timeout=_PATIENCE_S)
        sent = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status < 300, (method, path, response.status, answer)
        return json.loads(answer)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        inside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with inside._changed:
                    inside._received[body["data"]["n"]] += 1
                    inside._changed.notify_all()
                time.sleep(inside._slow_s)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        return Handler


def _event(number: int) -> dict[str, Any]:
    return {"event": "linkedin.message.sent", "teamId": "acme", "data": {"n": number}}


def _requests() -> Iterator[tuple[str, dict[str, Any]]]:
    for line in sys.stdin:
        what, arguments = json.loads(line)
        yield what, arguments


if __name__ == "__main__":
    inside = _Inside()
    for what, arguments in _requests():
        print(json.dumps(getattr(inside, what)(**arguments)), flush=True)
