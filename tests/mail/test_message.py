from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from daemon.domain.email_addresses import parse_address
from daemon.domain.mails import Mail, MailKind, MailLink
from daemon.domain.model import FailedDelivery, OutcomeKind
from daemon.mail.message import Compose


def received(compose: Compose, mail: Mail) -> EmailMessage:
    addresses = [address for recipient in mail.recipients if (address := parse_address(recipient))]
    return message_from_bytes(compose(mail, addresses).as_bytes(), policy=default)


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    return str(body.get_content())


def test_the_header_names_the_webhook_and_both_sides(compose: Compose, mail: Mail) -> None:
    message = received(compose, mail)
    assert message["Subject"] == "Webhook “CRM Sync” was disabled"
    assert message["From"] == "Kakiyo <hooks@example.com>"
    assert message["To"] == "ann@example.com, bob@example.com"


def test_the_same_mail_has_the_same_message_id_and_date_each_time(compose: Compose, mail: Mail) -> None:
    first, again = received(compose, mail), received(compose, replace(mail, attempts_made=3))
    assert first["Message-ID"] == again["Message-ID"] == "<mail_01k@example.com>"
    assert first["Date"] == again["Date"] == "Tue, 15 Jul 2025 10:29:58 +0000"


def test_it_asks_not_to_be_answered_by_machines(compose: Compose, mail: Mail) -> None:
    assert received(compose, mail)["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_both_parts_say_what_happened_and_what_to_do(compose: Compose, mail: Mail, subtype: str) -> None:
    text = part(received(compose, mail), subtype)
    for fact in (
        "Webhook “CRM Sync” of Acme was disabled, because its deliveries kept failing.",
        "Re-enable and recover",
        "https://hooks.example.com/console/webhooks/wh_1",
        "https://crm.example.com/hook?x=1",
        "2025-07-15 10:29:58 UTC",  # disabled at
        "2025-07-15 08:59:58 UTC",  # failing since
        "The receiver answered 503",
        "No answer within 10 s",
        "HTTP 500",
        "connect error",
        "https://hooks.example.com/console/teams/team_1/deliveries/dlv_4",
        "PATCH https://hooks.example.com/v1/webhooks/wh_1",
        '{"active": true}',
        "POST https://hooks.example.com/v1/webhooks/wh_1/recover",
        '{"since": "2025-07-15T08:59:51Z"}',
    ):
        assert fact in text


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_the_mail_says_that_a_receiver_is_gone(compose: Compose, mail: Mail, subtype: str) -> None:
    gone = replace(mail.failures[0], status=410, error="the receiver answered 410")
    text = part(received(compose, replace(mail, failures=(gone,))), subtype)
    assert "was disabled, because its receiver answered that it is gone (410)." in text


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_only_the_operators_copy_has_the_operators_commands_and_the_teams_id(
    compose: Compose, mail: Mail, subtype: str
) -> None:
    commands = "kakiyo-webhooks webhooks enable wh_1", "kakiyo-webhooks webhooks recover wh_1 --since", "Acme (team_1)"
    for_team = part(received(compose, mail), subtype)
    for_operator = part(received(compose, replace(mail, kind=MailKind.DISABLED_FOR_OPERATOR)), subtype)
    assert [command for command in commands if command in for_team] == []
    assert [command for command in commands if command not in for_operator] == []


def test_the_operators_copy_names_the_team_in_its_subject(compose: Compose, mail: Mail) -> None:
    message = received(compose, replace(mail, kind=MailKind.DISABLED_FOR_OPERATOR))
    assert message["Subject"] == "Webhook “CRM Sync” of Acme was disabled"


def test_a_phone_shows_it_in_one_column_and_the_button_leads_to_the_webhooks_page(compose: Compose, mail: Mail) -> None:
    html = part(received(compose, mail), "html")
    assert 'class="button" href="https://hooks.example.com/console/webhooks/wh_1"' in html
    assert "overflow-wrap: anywhere" in html
    assert "prefers-color-scheme: dark" in html
    assert "<table" not in html


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_with_a_portal_link_the_button_signs_in_and_leads_to_the_webhooks_page(
    compose: Compose, mail: Mail, subtype: str
) -> None:
    link = MailLink("kwp_x", mail.disabled_at + 3 * 86_400_000)
    text = part(received(compose, replace(mail, link=link)), subtype)
    assert "https://hooks.example.com/console/portal?next=/console/webhooks/wh_1#kwp_x" in text
    assert "Until 2025-07-18 10:29:58 UTC" in text
    assert "https://hooks.example.com/console/webhooks/wh_1" not in text
    assert "kwp_" not in repr(link)


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_a_webhook_that_works_again_is_told_in_one_sentence(compose: Compose, mail: Mail, subtype: str) -> None:
    later = mail.disabled_at + 3_600_000
    message = received(compose, replace(mail, kind=MailKind.RECOVERED, failures=(), created_at=later))
    assert message["Subject"] == "Webhook “CRM Sync” works again"
    for fact in (
        "Webhook “CRM Sync” of Acme works again: a delivery has succeeded.",
        "https://hooks.example.com/console/webhooks/wh_1",
        "2025-07-15 10:29:58 UTC",
        "2025-07-15 11:29:58 UTC",
    ):
        assert fact in part(message, subtype)


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_low_and_used_up_credits_are_told_in_one_sentence(compose: Compose, mail: Mail, subtype: str) -> None:
    about = replace(mail, webhook_id="", webhook_name="", webhook_url="", failures=(), balance=1_048)
    low = received(compose, replace(about, kind=MailKind.CREDITS_LOW))
    used_up = received(compose, replace(about, kind=MailKind.CREDITS_EXHAUSTED))
    assert (low["Subject"], used_up["Subject"]) == ("Acme is low on credits", "Acme has no credits left")
    assert "Acme has 1,048 credits left." in part(low, subtype)
    assert "The credits of Acme are used up: its deliveries wait." in part(used_up, subtype)
    assert "https://hooks.example.com/console/teams/team_1/credits" in part(low, subtype)


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_an_address_is_asked_in_one_sentence_and_told_to_do_nothing_if_it_does_not_want_to(
    compose: Compose, mail: Mail, subtype: str
) -> None:
    link = MailLink("kwc_x", mail.created_at + 3 * 86_400_000)
    asking = replace(mail, kind=MailKind.ADDRESS_CONFIRMATION, webhook_id="", failures=(), link=link)
    message = received(compose, asking)
    assert message["Subject"] == "Do you want mails about the webhooks of Acme?"
    for fact in (
        "Acme wants to send mails about its webhooks to this address.",
        "https://hooks.example.com/console/confirm-address#kwc_x",
        "2025-07-18 10:29:58 UTC",
    ):
        assert fact in part(message, subtype)


@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_times_are_those_of_the_teams_zone_and_of_utc_for_the_operator(
    compose: Compose, mail: Mail, subtype: str
) -> None:
    for zone, at in (
        ("Europe/Berlin", "2025-07-15 12:29:58 CEST"),
        ("America/Sao_Paulo", "2025-07-15 07:29:58 UTC-03"),
        ("Mars/Olympus", "2025-07-15 10:29:58 UTC"),
    ):
        text = part(received(compose, replace(mail, time_zone=zone)), subtype)
        assert at in text, zone
        operators = replace(mail, time_zone=zone, kind=MailKind.DISABLED_FOR_OPERATOR)
        assert "2025-07-15 10:29:58 UTC" in part(received(compose, operators), subtype)


def test_html_in_a_name_or_an_error_is_text(compose: Compose, mail: Mail) -> None:
    at = mail.disabled_at
    failure = FailedDelivery("dlv_1", "a.b", at, at, OutcomeKind.TIMEOUT, None, "<script>alert(1)</script>")
    message = received(compose, replace(mail, webhook_name="<img src=x>", failures=(failure,)))
    assert "<img" not in part(message, "html")
    assert "<script" not in part(message, "html")
    assert "&lt;script&gt;" in part(message, "html")


def test_a_name_with_line_breaks_cannot_add_a_header(compose: Compose, mail: Mail) -> None:
    message = received(compose, replace(mail, webhook_name="CRM\r\nBcc: eve@example.com\r\n\r\nbody"))
    assert message["Bcc"] is None
    assert message["Subject"] == "Webhook “CRM Bcc: eve@example.com body” was disabled"


def test_what_is_shown_is_bounded(compose: Compose, mail: Mail) -> None:
    at = mail.disabled_at
    failure = FailedDelivery("dlv_1", "a.b", at, at, OutcomeKind.TIMEOUT, None, "e" * 10_000)
    long = replace(
        mail, webhook_name="n" * 200, webhook_url="https://example.com/" + "u" * 2028, failures=(failure,) * 4
    )
    assert len(compose(long, []).as_bytes()) < 10_000


def test_a_mail_without_failures_is_whole(compose: Compose, mail: Mail) -> None:
    text = part(received(compose, replace(mail, failures=())), "plain")
    assert "FAILED DELIVERIES" not in text
    assert "Re-enable and recover" in text


def test_it_is_sent_as_seven_bits_in_short_lines(compose: Compose, mail: Mail) -> None:
    for name in ("Größe", "Größe " * 20):
        content = compose(replace(mail, webhook_name=name), []).as_bytes()
        assert content.isascii()
        assert max(map(len, content.split(b"\r\n"))) <= 998
