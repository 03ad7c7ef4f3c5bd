from collections.abc import Sequence
from ipaddress import ip_network
from socket import EAI_AGAIN, gaierror

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import UrlNotAllowed
from daemon.egress.addresses import Address
from daemon.egress.urls import EgressRules, Target, check_url, parse_target, permitted_target
from tests.egress.posting import resolving_to

STRICT = EgressRules()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com/a?b=c", Target("https", "hooks.example.com", 443)),
        ("https://Hooks.Example.COM", Target("https", "hooks.example.com", 443)),
        ("HTTPS://hooks.example.com:8443/", Target("https", "hooks.example.com", 8443)),
        ("https://hooks.example.com./", Target("https", "hooks.example.com.", 443)),
        ("https://bücher.example/", Target("https", "xn--bcher-kva.example", 443)),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443)),
        ("https://[2001:4860:4860::8888]:444/", Target("https", "2001:4860:4860::8888", 444)),
        ("https://under_score.example/", Target("https", "under_score.example", 443)),
        ("https://h.example/a@b?c=d@e", Target("https", "h.example", 443)),
        ("https://h.example/pätħ", Target("https", "h.example", 443)),
        ("https://h.example/" + "x" * 2030, Target("https", "h.example", 443)),
    ],
)
def test_a_url_leads_to_its_scheme_host_and_port(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://h.example/" + "x" * 2031, "length"),
        ("http://h.example/", "scheme"),
        ("ftp://h.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("h.example/path", "scheme"),
        ("//h.example/path", "scheme"),
        ("", "scheme"),
        ("https://user@h.example/", "user_info"),
        ("https://user:password@h.example/", "user_info"),
        ("https://@h.example/", "user_info"),
        ("https://good.example@127.0.0.1/", "user_info"),
        ("https://h.example/#part", "fragment"),
        ("https://h.example/#", "fragment"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https:h.example", "host"),
        ("https://:443/", "host"),
        ("https://-bad.example/", "host"),
        ("https://bad..example/", "host"),
        ("https://" + "a" * 64 + ".example/", "host"),
        ("https://" + "a." * 127 + "aa/", "host"),
        ("https://exa%20mple/", "host"),
        ("https://127.0.0.1%2f.example/", "host"),
        ("https://xn--\u2603\u2603/", "host"),
        ("https://[::1/", "port"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://0177.0.0.1/", "host"),
        ("https://300.1.1.1/", "host"),
        ("https://h.example:0/", "port"),
        ("https://h.example:65536/", "port"),
        ("https://h.example:http/", "port"),
        ("https://h.example:-1/", "port"),
        ("https://h.example/a b", "characters"),
        ("https://h.example/a\r\nX: y", "characters"),
        ("https://h.example/\x00", "characters"),
        ("https://h.example/\u00a0", "characters"),
        ("https://h.example/\u202e", "characters"),
        ("https://h.example\\@127.0.0.1/", "characters"),
        (" https://h.example/", "characters"),
    ],
)
def test_a_url_that_breaks_a_rule_is_refused_by_the_name_of_the_rule(url: str, rule: str) -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        parse_target(url)
    assert refused.value.rule == rule
    assert "password" not in refused.value.sentence.replace("user name or password", "")


def test_http_is_a_scheme_only_where_the_operator_allows_it() -> None:
    assert parse_target("http://127.0.0.1:8080/", allow_http=True) == Target("http", "127.0.0.1", 8080)
    assert parse_target("http://h.example/", allow_http=True).port == 80
    with pytest.raises(UrlNotAllowed):
        parse_target("ftp://h.example/", allow_http=True)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "0x7f.0x0.0x0.0x1", "0", "[::1]"),
        *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1]", "169.254.169.254", "\uff11\uff12\uff17.0.0.1"),
    ],
)
async def test_an_address_that_is_not_public_is_refused_in_every_way_to_write_it(host: str) -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        await check_url(f"https://{host}/", STRICT, resolving_to("8.8.8.8"))
    assert refused.value.rule in ("address", "host")


async def test_a_name_is_refused_for_any_address_of_it_that_is_not_public() -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        await check_url("https://hooks.example.com/", STRICT, resolving_to("8.8.8.8", "192.168.1.1"))
    assert refused.value.rule == "address"
    assert "192.168.1.1" not in refused.value.sentence
    assert refused.value.detail == "hooks.example.com is 192.168.1.1"
    await check_url("https://hooks.example.com/", STRICT, resolving_to("8.8.8.8", "2001:4860:4860::8888"))


async def test_a_name_in_an_allowed_network_is_accepted() -> None:
    rules = EgressRules(allow_http=True, allow_networks=(ip_network("192.168.0.0/16"),))
    await check_url("http://hooks.lan/", rules, resolving_to("192.168.1.1"))


async def test_a_name_that_does_not_resolve_now_is_accepted() -> None:
    async def resolve(host: str, port: int) -> Sequence[Address]:
        raise gaierror(EAI_AGAIN, "Temporary failure in name resolution")

    await check_url("https://hooks.example.com/", STRICT, resolve)


async def test_a_name_whose_servers_hang_is_accepted_after_3_seconds(autojump_clock: MockClock) -> None:
    async def resolve(host: str, port: int) -> Sequence[Address]:
        await trio.sleep_forever()

    started = trio.current_time()
    await check_url("https://hooks.example.com/", STRICT, resolve)
    assert trio.current_time() - started == 3


@pytest.mark.fault(
    "A webhook's host is a name for the inside (localhost, .local, .internal, …), whatever a resolver says of it",
    "422 `url_not_allowed`, unless `egress.allow_networks` is set; nothing is looked up",
)
@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost.", "LOCALHOST", "a.localhost", "x.y.LocalHost.", "localhost.localdomain"),
        *("printer.local", "printer.local.", "svc.ns.svc.cluster.local", "metadata.google.internal", "nas.home.arpa"),
        *("1.0.0.127.in-addr.arpa", "abc.onion", "a.invalid", "a.test", "x.alt", "wiki.corp", "box.lan", "nas.home"),
        *("intranet", "gitlab", "com", "ai.", "a.intranet", "a.private"),
        *(
            "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
            "printer\u3002local",
            "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        ),
    ],
)
async def test_a_name_for_the_inside_is_refused_whatever_a_resolver_says(host: str) -> None:
    async def asked(host: str, port: int) -> Sequence[Address]:
        raise AssertionError("nothing is looked up")

    with pytest.raises(UrlNotAllowed) as refused:
        await check_url(f"https://{host}/", STRICT, asked)
    assert refused.value.rule in ("inside_name", "host")
    # At a connect, too: the webhook may be older than the rule.
    with pytest.raises(UrlNotAllowed):
        permitted_target(f"https://{host}/", STRICT)


@pytest.mark.parametrize("host", ["localhost", "printer.local", "gitlab", "metadata.google.internal"])
async def test_a_name_for_the_inside_is_taken_when_networks_are_allowed(host: str) -> None:
    rules = EgressRules(allow_networks=(ip_network("192.168.0.0/16"),))
    await check_url(f"https://{host}/", rules, resolving_to("192.168.1.1"))
    with pytest.raises(UrlNotAllowed):
        await check_url(f"https://{host}/", rules, resolving_to("10.0.0.1"))


@pytest.mark.parametrize("host", ["hooks.example", "localhost.example.com", "local.example.com", "a-localhost.example"])
async def test_a_name_that_only_looks_like_one_for_the_inside_is_taken(host: str) -> None:
    await check_url(f"https://{host}/", STRICT, resolving_to("8.8.8.8"))
