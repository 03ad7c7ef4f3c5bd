"""The proxy of the settings, and what a URL of a proxy may be (contract "The way out")."""

from pathlib import Path

import pytest

from daemon.config.egress_proxy import egress_proxy
from daemon.config.egress_settings import EgressSettings
from daemon.config.settings import ConfigError
from daemon.domain.proxy_login import check_password
from daemon.egress.proxy import Proxy, parse_proxy


def test_the_password_is_in_a_file_or_in_systemds_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, url = tmp_path / "egress-proxy-password", "socks5://kakiyo@proxy.example.net:1080"
    file.write_text("horse\n")
    expected = Proxy("socks5", "proxy.example.net", 1080, "kakiyo", "horse", is_operators=True)
    assert egress_proxy(EgressSettings(proxy=url, proxy_password_file=file)) == expected
    with pytest.raises(ConfigError, match=r"name the file with its password in egress\.proxy_password_file"):
        egress_proxy(EgressSettings(proxy=url))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert egress_proxy(EgressSettings(proxy=url)) == expected
    assert egress_proxy(EgressSettings()) is None
    assert egress_proxy(EgressSettings(proxy="http://proxy:3128", proxy_resolves=True)) == Proxy(
        "http", "proxy", 3128, resolves=True, is_operators=True
    )


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 256, b"a\r\nHost: b"])
def test_a_password_that_cannot_be_sent_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    for name in (file, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="password cannot be") as refused:
            egress_proxy(EgressSettings(proxy="http://u@proxy:1", proxy_password_file=name))
        assert "Host: b" not in str(refused.value)


def test_webhooks_may_have_proxies_of_their_own_beside_none_or_by_choice() -> None:
    assert EgressSettings().lets_webhooks_have_proxies
    assert not EgressSettings(proxy="http://proxy:3128").lets_webhooks_have_proxies
    assert EgressSettings(proxy="http://proxy:3128", webhook_proxies=True).lets_webhooks_have_proxies


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example.net:80", Proxy("http", "proxy.example.net", 80)),
        ("http://192.0.2.1:3128/", Proxy("http", "192.0.2.1", 3128)),
        ("socks5://[2001:db8::1]:1080", Proxy("socks5", "2001:db8::1", 1080)),
        ("http://user%40corp@bücher.example:3128", Proxy("http", "xn--bcher-kva.example", 3128, "user@corp")),
    ],
)
def test_a_proxy_is_named_by_a_url(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        *("", "proxy", "proxy:3128", "http://", "http://proxy", "http://:3128", "http://proxy:", "http://proxy:0"),
        *("http://proxy:65536", "http://proxy:9999999999999999999", "http://proxy:+1", "http://proxy:1_0"),
        *("https://proxy:3128", "socks4://proxy:1", "socks5h://proxy:1", "file:///etc/passwd", "//proxy:1"),
        *("http://u:p@proxy:1", "http://u:@proxy:1", "http://u%3Ap@proxy:1", "http://u%0d%0aX@proxy:1"),
        *("http://proxy:1/path", "http://proxy:1?q", "http://proxy:1#f", "http://pro xy:1", "http://proxy\r\n:1"),
        *("http://proxy:1\\@other:2", "http://[::1:1", "http://[fe80::1%25eth0]:1", "http://256.1.1.1:1"),
        *("http://" + "u" * 256 + "@proxy:1", "http://" + "x" * 600 + ":1", "http://u\ud800@proxy:1"),
    ],
)
def test_whatever_is_no_url_of_a_proxy_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the proxy's (URL|user name) "):
        parse_proxy(url)


def test_a_password_fits_into_a_login() -> None:
    check_password("Grüße und mehr")
    for wrong in ("", "x" * 256, "ü" * 128, "a\nb", "a\0b", "\ud800"):
        with pytest.raises(ValueError, match="a proxy's password has 1 to 255 bytes"):
            check_password(wrong)
