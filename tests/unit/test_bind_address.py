"""`api.bind` is read in one way by the daemon and its clients (contract "Configuration", "Command line")."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.bind_address import PassedSocket, TcpAddress, UnixAddress, client_url, is_public, parse_bind
from daemon.files.kept_addresses import keep_addresses, kept_addresses, remove_addresses

NO_ADDRESSES = (
    *(
        "",
        ":80",
        "*:80",
        "localhost",
        "localhost:",
        "localhost:+80",
        "localhost:٣",
        "localhost:65536",
        "localhost:80\n",
    ),
    *("::1:8480", "::", "[::1]", "[::1:80", "[127.0.0.1]:80", "[x]:80", "999.1.1.1:80", "1:80", "a..b:80", "bücher:80"),
    *(f"{'a' * 64}:80", "a b:80", "a\0:80", "http://localhost:80", "unix:", "unix:relative", "unix:@abstract"),
    *(f"unix:/{'a' * 107}", f"unix:/{'ä' * 54}", "unix:/a\0b", "fd://", "fd://x", "fd://-1", "fd://3 "),
)
PUBLIC = ("0.0.0.0:80", "[::]:80", "8.8.8.8:80", "[2606:4700::1]:80", "[::ffff:8.8.8.8]:80")
NOT_PUBLIC = (
    *(
        "127.0.0.2:80",
        "[::1]:80",
        "10.1.2.3:80",
        "192.168.1.1:80",
        "100.64.0.1:80",
        "[fe80::1%eth0]:80",
        "[fd00::1]:80",
    ),
    *("localhost:80", "unix:/a", "fd://3"),
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8480", TcpAddress("127.0.0.1", 8480)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("api-1.example.com:80", TcpAddress("api-1.example.com", 80)),
        ("[::1]:65535", TcpAddress("::1", 65535)),
        ("[fe80::1%eth0]:80", TcpAddress("fe80::1%eth0", 80)),
        ("unix:/run/a b/ä.sock", UnixAddress("/run/a b/ä.sock")),
        ("fd://3", PassedSocket(3)),
    ],
)
def test_what_is_written_is_what_is_read(text: str, address: object) -> None:
    assert parse_bind(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected \"host:port\""):
        parse_bind(text)


@given(st.text(max_size=40) | st.from_regex(r"(\[?[0-9a-f:.]*\]?|[a-z.]*):[0-9]*", fullmatch=True))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_bind(text)
    except ValueError:
        return
    assert parse_bind(str(address)) == address


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("[0:0:0:0:0:0:0:0]:80", "http://[::1]:80"),
        ("[::ffff:0.0.0.0]:80", "http://127.0.0.1:80"),
        ("[2001:db8::1]:80", "http://[2001:db8::1]:80"),
        ("localhost:80", "http://localhost:80"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
    ],
)
def test_a_client_reaches_a_wildcard_by_the_loopback_address(bind: str, url: str) -> None:
    address = parse_bind(bind)
    assert not isinstance(address, PassedSocket)
    assert client_url(address) == url


@pytest.mark.parametrize(("bind", "public"), [(bind, True) for bind in PUBLIC] + [(bind, False) for bind in NOT_PUBLIC])
def test_a_public_address_or_a_wildcard_is_known_as_such(bind: str, public: bool) -> None:
    assert is_public(parse_bind(bind)) is public


def test_where_the_daemon_listens_is_kept_for_its_owner_until_it_is_forgotten(tmp_path: Path) -> None:
    addresses = (TcpAddress("127.0.0.1", 41234), UnixAddress("/run/\udcff ä.sock"))
    for kept in (addresses, addresses[:1]):
        keep_addresses(tmp_path, kept)
        assert kept_addresses(tmp_path) == kept
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    remove_addresses(tmp_path)
    remove_addresses(tmp_path)
    assert kept_addresses(tmp_path) == ()


@pytest.mark.parametrize("content", ["", "{", "3", "null", "[3]", '["nowhere"]', '["fd://3"]', "[" * 60_000, '"::"'])
def test_a_spoilt_list_of_addresses_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "listening.json").write_text(content)
    assert kept_addresses(tmp_path) == ()


def test_a_link_in_place_of_the_list_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps(["127.0.0.1:1"]))
    (tmp_path / "listening.json").symlink_to(tmp_path / "elsewhere")
    assert kept_addresses(tmp_path) == ()
