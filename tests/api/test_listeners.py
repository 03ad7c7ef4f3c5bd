"""Where the API listens: addresses, socket files, descriptors, and what is said when one cannot be had."""

import socket
import stat
from pathlib import Path

import pytest
import trio

from api.server.listeners import addresses_of, open_listeners, passed_descriptors
from daemon.config.settings import ConfigError
from daemon.domain.bind_address import TcpAddress, UnixAddress
from tests.api.scripted_app import HELLO, ScriptedApp
from tests.support.api_server import exchange, serving


async def test_a_unix_socket_is_served_and_is_for_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with serving(ScriptedApp(), bind=f"unix:{path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with await trio.open_unix_socket(str(path)) as stream:
            assert await exchange(stream, HELLO) == (200, b"hello")


async def test_a_socket_file_that_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(path))
    left_over.close()
    async with serving(ScriptedApp(), bind=f"unix:{path}"), await trio.open_unix_socket(str(path)) as stream:
        assert await exchange(stream, HELLO) == (200, b"hello")


async def test_a_socket_file_that_somebody_answers_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with serving(ScriptedApp(), bind=f"unix:{path}"):
        with pytest.raises(ConfigError, match="is in use by another program: stop it, or set another address"):
            await open_listeners(f"unix:{path}")
        async with await trio.open_unix_socket(str(path)) as stream:
            assert await exchange(stream, HELLO) == (200, b"hello")


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="in use"):
        await open_listeners(f"unix:{path}")
    assert path.read_text() == "mine"


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be listened on") as caught:
        await open_listeners(f"unix:{tmp_path}/missing/api.sock")
    assert str(tmp_path) in str(caught.value)


async def test_a_busy_port_is_named_with_what_to_do() -> None:
    async with serving(ScriptedApp()) as served:
        with pytest.raises(ConfigError) as caught:
            await open_listeners(f"127.0.0.1:{served.port}")
    assert str(caught.value) == (
        f"api.bind: 127.0.0.1:{served.port} is in use by another program: stop it, or set another address"
    )


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^api\.bind: 192\.0\.2\.1:80 cannot be listened on \("):
        await open_listeners("192.0.2.1:80")


async def test_a_descriptor_is_served_and_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        async with serving(ScriptedApp(), bind=f"fd://{passed.fileno()}") as served:
            async with await served.connect() as stream:
                assert await exchange(stream, HELLO) == (200, b"hello")
            served.stop.set()
            await served.stopped.wait()
        assert passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


async def test_a_descriptor_that_is_no_listening_socket_is_named(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, socket.socket() as not_listening:
        for descriptor in (file.fileno(), not_listening.fileno(), 4000):
            with pytest.raises(ConfigError, match=rf"fd://{descriptor} is no listening socket"):
                await open_listeners(f"fd://{descriptor}")


async def test_the_sockets_that_systemd_passed_are_served_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        port = tcp.getsockname()[1]
        for bind in (f"127.0.0.1:{port}", f"localhost:{port}", f"unix:{path}"):
            listeners = await open_listeners(bind, [tcp.fileno(), unix.fileno()])
            assert [listener.socket.getsockname() for listener in listeners] == [("127.0.0.1", port), str(path)]
            for listener in listeners:
                await listener.aclose()


async def test_a_bind_address_at_which_systemd_does_not_listen_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        with pytest.raises(ConfigError) as caught:
            await open_listeners("127.0.0.1:1", [passed.fileno()])
        assert str(caught.value) == (
            "api.bind: 127.0.0.1:1 is not where systemd's socket unit listens "
            f"(127.0.0.1:{passed.getsockname()[1]}): write the same address into both, or disable the socket unit"
        )


def test_descriptors_are_this_process_own_or_none() -> None:
    assert list(passed_descriptors({"LISTEN_PID": "17", "LISTEN_FDS": "2"}, pid=17)) == [3, 4]
    assert not passed_descriptors({"LISTEN_PID": "18", "LISTEN_FDS": "2"}, pid=17)
    assert not passed_descriptors({"LISTEN_PID": "17", "LISTEN_FDS": "many"}, pid=17)
    assert not passed_descriptors({}, pid=17)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
async def test_the_port_that_was_free_is_told(host: str) -> None:
    listeners = await open_listeners(str(TcpAddress(host, 0)))
    [listener] = listeners
    assert addresses_of(listeners) == (TcpAddress(host, listener.socket.getsockname()[1]),)
    await listener.aclose()


async def test_what_a_descriptor_stands_for_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "api.sock"))
        unix.listen()
        listeners = await open_listeners(f"fd://{unix.fileno()}")
        assert addresses_of(listeners) == (UnixAddress(f"{tmp_path}/api.sock"),)
        await listeners[0].aclose()
