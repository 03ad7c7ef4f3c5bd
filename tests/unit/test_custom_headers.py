"""Which headers a webhook may have of its own (contract "Options of a webhook")."""

from collections.abc import Callable

import pytest

from daemon.domain.custom_headers import (
    CustomHeader,
    check_name,
    check_value,
    is_secret_by_default,
    repeated_names,
    with_kept_values,
    with_sealed_values,
)
from daemon.domain.sealed import Sealed

RESERVED = (
    *("Host", "Content-Length", "Content-Type", "content-encoding", "Transfer-Encoding", "Connection", "Keep-Alive"),
    *("TE", "Trailer", "Upgrade", "HTTP2-Settings", "Expect", "Date", "Via", "User-Agent", "Accept", "Accept-Encoding"),
    *("Proxy-Authorization", "proxy-connection", "traceparent", "TraceState", "webhook-id", "Webhook-Signature"),
    *("webhook-anything", "X-Kakiyo-Signature", "x-kakiyo-whatever"),
)


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("written", [str.lower, str.upper, str.title, str.swapcase])
def test_what_http_or_the_daemon_sets_is_reserved_in_any_case(name: str, written: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="set by HTTP or by the daemon"):
        check_name(written(name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "X Y",
        "Host ",
        " Host",
        "Host:",
        "X-A\r\nHost",
        "X-A\n",
        "X-A\r",
        "X\0",
        "X-Ä",
        "\uff28\uff4f\uff53\uff54",
        "Ho\u017ft",
        "(x)",
        "X/Y",
    ],
)
def test_what_is_no_token_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="name has letters, digits"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["X-Tenant", "Authorization", "Cookie", "x", "!#$%&'*+-.^_`|~09AZaz", "Contents", "Hosts"]
)
def test_other_tokens_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "value",
    ["", " ", "\t", " a", "a ", "\ta", "a\t", "a\r\nX: y", "a\n", "a\rb", "a\0b", "a\x7f", "ä", "\uff41", "a\x1bb"],
)
def test_a_value_that_receivers_could_read_differently_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"^expected visible ASCII characters"):
        check_value(value)


@pytest.mark.parametrize("value", ["7", "Bearer a.b-c", "a\tb  c", "~", "!", '"quoted"', "x" * 4000])
def test_visible_characters_with_white_space_between_are_a_value(value: str) -> None:
    check_value(value)


def test_credentials_are_secret_unless_the_contrary_is_said() -> None:
    assert [name for name in ("AUTHORIZATION", "cookie", "X-Api-Key") if is_secret_by_default(name)] == [
        "AUTHORIZATION",
        "cookie",
    ]


def test_a_name_is_repeated_whatever_its_case() -> None:
    assert repeated_names(["X-A", "X-B", "x-a", "X-b", "X-C"]) == [2, 3]


def test_an_edit_keeps_a_secret_that_it_names_without_a_value_and_forgets_those_that_it_does_not_name() -> None:
    stored = (
        CustomHeader("Authorization", Sealed("s1"), secret=True),
        CustomHeader("X-Old", Sealed("s2"), secret=True),
    )
    given = (
        CustomHeader("authorization", secret=True),
        CustomHeader("X-New", "7"),
        CustomHeader("X-Gone", secret=True),
    )
    assert with_kept_values(given, stored) == (
        CustomHeader("authorization", Sealed("s1"), secret=True),
        CustomHeader("X-New", "7"),
    )


def test_only_plain_values_of_secret_headers_are_sealed() -> None:
    headers = (
        CustomHeader("A", "1", secret=True),
        CustomHeader("B", "2"),
        CustomHeader("C", Sealed("kept"), secret=True),
        CustomHeader("D", secret=True),
    )
    sealed = with_sealed_values(headers, lambda value: f"sealed {value}")
    assert [header.value for header in sealed] == [Sealed("sealed 1"), "2", Sealed("kept"), None]
