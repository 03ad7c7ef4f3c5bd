import pytest

from daemon.mail.addresses import one_line, parse_address, parse_sender


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("ann@exämple.com", "ann@xn--exmple-cua.com"),
        ("jörg@example.com", "jörg@example.com"),
        ("ann+hooks@localhost", "ann+hooks@localhost"),
    ],
)
def test_an_address_is_given_as_mail_servers_take_it(text: str, address: str) -> None:
    parsed = parse_address(text)
    assert parsed is not None
    assert parsed.addr_spec == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.com",
        "ann bob@example.com",
        "ann@example.com,bob@example.com",
        "<ann@example.com>",
        "ann@example.com\nBcc: eve@example.com",
        "ann\r\nRCPT TO:<eve@example.com>@example.com",
        "jö rg@example.com",
        "ann@exam ple.com",
        "\ud800@example.com",
        f"ann@{'x' * 64}.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert parse_address(text) is None


def test_a_sender_may_have_a_display_name() -> None:
    sender = parse_sender("Kakiyo Ä <hooks@example.com>")
    assert sender is not None
    assert (sender.display_name, sender.addr_spec) == ("Kakiyo Ä", "hooks@example.com")


def test_a_sender_without_an_address_is_refused() -> None:
    assert parse_sender("Kakiyo") is None


def test_text_becomes_one_visible_line_within_its_limit() -> None:
    assert one_line("a\r\n b\x00\x1b\u2028\u202ec", 20) == "a b c"
    assert one_line("x" * 30, 10) == "x" * 9 + "…"
