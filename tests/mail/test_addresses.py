import pytest

from daemon.domain.email_addresses import parse_address, parse_sender
from daemon.domain.printable import one_line


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("ann@ΒΌΛΟΣ.example", "ann@xn--nxasmq6b.example"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("ann@faß.example", "ann@xn--fa-hia.example"),
        ("jo\u0308rg@example.com", "j\u00f6rg@example.com"),
        ('"ann bob"@example.com', '"ann bob"@example.com'),
        ('"a\\"b@c"@example.com', '"a\\"b@c"@example.com'),
        ('"ann"@example.com', "ann@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
        ("o'hara+x/y=z@sub.example.com", "o'hara+x/y=z@sub.example.com"),
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
        " ann@example.com",
        "ann@example.com ",
        f"{'a' * 64}@{'.'.join(['ü' * 8] * 13)}.de",  # too long in its ASCII form only
        "ann..bob@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "ann(comment)@example.com",
        '""@example.com',
        '".ann"@example.com',
        '"ann..bob"@example.com',
        '"."@example.com',
        "ann\u3164@example.com",
        '"ann@example.com',
        '"ann"bob@example.com',
        "ann@example..com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@exa_mple.com",
        "ann@example.com.",
        "ann@127.0.0.1",
        "ann@[127.0.0.1]",
        "ann@\u2024example.com",
        f"{'a' * 65}@example.com",
        f"{'ö' * 33}@example.com",
        f"ann@{'.'.join(['x' * 60] * 4)}.example",
        f"ann@{'ö' * 60}.{'ö' * 60}.example",
        "ann\u202e@example.com",
        "ann\u200b@example.com",
        "ann@exa\u200bmple.com\r\n",
        "Ann <ann@example.com>",
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


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ('"Acme, Inc." <hooks@example.com>', "Acme, Inc.", "hooks@example.com"),
        ("Acme\r\nBcc: eve@example.com <hooks@example.com>", "Acme Bcc: eve@example.com", "hooks@example.com"),
        ("Acme <jörg@exämple.com>", "Acme", "jörg@xn--exmple-cua.com"),
        (" <hooks@example.com> ", "", "hooks@example.com"),
    ],
)
def test_a_display_name_cannot_add_a_header_or_an_address(text: str, name: str, address: str) -> None:
    sender = parse_sender(text)
    assert sender is not None
    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.parametrize("text", ["a@example.com, b@example.com", "A <a@b.example> <c@d.example>", "A <a@b", "A <>"])
def test_a_sender_is_one_address(text: str) -> None:
    assert parse_sender(text) is None


def test_a_sender_without_an_address_is_refused() -> None:
    assert parse_sender("Kakiyo") is None


def test_text_becomes_one_visible_line_within_its_limit() -> None:
    assert one_line("a\r\n b\x00\x1b\u2028\u202ec", 20) == "a b c"
    assert one_line("x" * 30, 10) == "x" * 9 + "…"
