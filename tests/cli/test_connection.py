import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from daemon.cli.connection import find_connection
from daemon.cli.exits import CommandError
from daemon.domain.bind_address import TcpAddress, UnixAddress
from daemon.files.kept_addresses import keep_addresses
from tests.support.forked_command import run_command


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "operator.key").write_text("from-the-file\n")
    return tmp_path


def _config(directory: Path, text: str) -> Path:
    file = directory / "config.toml"
    file.write_text(text)
    return file


def test_the_key_in_the_environment_wins_over_the_file(state_dir: Path) -> None:
    assert find_connection(None, None, state_dir, {}).key == "from-the-file"
    assert find_connection(None, None, state_dir, {"KAKIYO_WEBHOOKS_API_KEY": "k"}).key == "k"


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("0.0.0.0:8001", "http://127.0.0.1:8001"),
        ("[::]:8001", "http://[::1]:8001"),
    ],
)
def test_the_address_is_the_one_the_settings_bind(state_dir: Path, bind: str, url: str) -> None:
    config = _config(state_dir, f'[api]\nbind = "{bind}"\n')
    assert find_connection(None, config, state_dir, {}).base_url == url
    assert find_connection("http://10.0.0.1/", config, state_dir, {}).base_url == "http://10.0.0.1"


@pytest.mark.parametrize("bind", ["fd://3", "127.0.0.1:0", "[::]:0"])
def test_a_socket_that_only_the_daemon_knows_needs_an_address(state_dir: Path, bind: str) -> None:
    with pytest.raises(CommandError, match="--api-url"):
        find_connection(None, _config(state_dir, f'[api]\nbind = "{bind}"\n'), state_dir, {})


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        (TcpAddress("127.0.0.1", 41234), "http://127.0.0.1:41234"),
        (TcpAddress("::", 41234), "http://[::1]:41234"),
        (UnixAddress("/run/api.sock"), "unix:/run/api.sock"),
    ],
)
def test_where_the_daemon_listens_in_fact_wins_over_the_settings(
    state_dir: Path, bound: TcpAddress | UnixAddress, address: str
) -> None:
    keep_addresses(state_dir, [bound])
    for bind in ("fd://3", "127.0.0.1:0", "127.0.0.1:8001"):
        config = _config(state_dir, f'[api]\nbind = "{bind}"\n')
        assert find_connection(None, config, state_dir, {}).address == address
        assert find_connection("http://10.0.0.1", config, state_dir, {}).address == "http://10.0.0.1"


@pytest.mark.parametrize("address", ["localhost:8480", "unix:relative", "ftp://x"])
def test_what_is_no_address_of_the_api_is_wrong_usage(state_dir: Path, address: str) -> None:
    with pytest.raises(CommandError, match="not an address of the API") as refused:
        find_connection(address, None, state_dir, {})
    assert refused.value.exit_code == 2


def test_the_key_does_not_show_in_the_connections_repr(state_dir: Path) -> None:
    assert "from-the-file" not in repr(find_connection(None, None, state_dir, {}))


class _UnixHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"items": [], "nextCursor": null}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def unix_api(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "api.sock"
    server = ThreadingUnixStreamServer(str(path), _UnixHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_unix_socket_of_the_settings_is_found(run: Any, state_dir: Path, unix_api: Path) -> None:
    config = _config(state_dir, f'[api]\nbind = "unix:{unix_api}"\n')
    ended = run("teams", "list", "--config", str(config), "--state-dir", str(state_dir))
    assert (ended.code, ended.out) == (0, "none\n")


def test_a_unix_socket_that_nobody_serves_is_named(state_dir: Path) -> None:
    # In a process of its own: httpcore leaves the socket of a refused connect to the garbage collector.
    options = ["--api-url", f"unix:{state_dir}/none.sock", "--state-dir", str(state_dir)]
    ended = run_command("teams", "list", *options)
    assert ended.returncode == 3
    assert f"unix:{state_dir}/none.sock" in ended.stderr
