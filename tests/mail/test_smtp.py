import smtplib
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.config.settings import Settings, SmtpSettings
from daemon.domain.email_addresses import parse_sender
from daemon.domain.mails import Mail
from daemon.mail.message import Compose, message_composer
from daemon.mail.result import Send
from daemon.mail.sender import make_sender
from daemon.mail.smtp import smtp_sender
from tests.support.smtp import MailServer, reserve_port, serving


def sender_to(port: int, compose: Compose, **more: Any) -> Send:
    settings = SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none", **more})
    sender = parse_sender("Kakiyo <hooks@example.com>")
    assert sender is not None
    return smtp_sender(settings, sender, compose)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("tr0ub4dor\n")
    return file


# the ways in


async def test_a_mail_reaches_all_recipients_in_one_transaction(compose: Compose, mail: Mail) -> None:
    server = MailServer()
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert (result.taken, result.refused, result.deferred, result.error) == (mail.recipients, (), (), None)
    assert [(taken.mail_from, taken.rcpt_tos) for taken in server.taken] == [
        ("hooks@example.com", ["ann@example.com", "bob@example.com"])
    ]
    assert server.messages[0]["Subject"] == "Webhook “CRM Sync” was disabled"
    assert server.messages[0]["Message-ID"] == "<mail_01k@example.com>"


async def test_starttls_encrypts_before_anything_is_said(
    compose: Compose, mail: Mail, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    server = MailServer()
    with serving(server, security="starttls", tls=server_tls) as port:
        result = await sender_to(port, compose, security="starttls", ca_file=ca_file)(mail)
    assert result.taken == mail.recipients
    assert server.encrypted == [True]


async def test_implicit_tls_encrypts_from_the_first_byte(
    compose: Compose, mail: Mail, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    server = MailServer()
    with serving(server, security="tls", tls=server_tls) as port:
        result = await sender_to(port, compose, security="tls", ca_file=ca_file)(mail)
    assert result.taken == mail.recipients
    assert server.encrypted == [True]


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_it_logs_in_with_the_password_of_the_file(
    compose: Compose, mail: Mail, server_tls: ssl.SSLContext, ca_file: Path, password_file: Path, security: str
) -> None:
    server = MailServer(users={"hooks": "tr0ub4dor"})
    with serving(server, security=security, tls=server_tls) as port:
        login = {"username": "hooks", "password_file": password_file}
        result = await sender_to(port, compose, security=security, ca_file=ca_file, **login)(mail)
    assert result.taken == mail.recipients
    assert server.logins == ["hooks"]


async def test_it_introduces_itself_by_the_name_of_the_settings(
    compose: Compose, mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    original = smtplib.SMTP.ehlo

    def ehlo(session: smtplib.SMTP, name: str = "") -> tuple[int, bytes]:
        names.append(name or session.local_hostname)
        return original(session, name)

    monkeypatch.setattr(smtplib.SMTP, "ehlo", ehlo)
    with serving(MailServer()) as port:
        result = await sender_to(port, compose, helo_name="hooks.example.com")(mail)
    assert result.taken == mail.recipients
    assert set(names) == {"hooks.example.com"}


async def test_a_new_password_needs_no_restart(compose: Compose, mail: Mail, password_file: Path) -> None:
    server = MailServer(users={"hooks": "new"})
    with serving(server) as port:
        send = sender_to(port, compose, username="hooks", password_file=password_file)
        refused = await send(mail)
        await trio.Path(password_file).write_text("new")
        assert (await send(mail)).taken == mail.recipients
    assert refused.deferred == mail.recipients
    assert refused.error is not None
    assert "refused the login (535 " in refused.error
    assert "tr0ub4dor" not in refused.error


# never in the clear, never to a stranger


async def test_a_server_without_starttls_gets_neither_password_nor_mail(
    compose: Compose, mail: Mail, password_file: Path
) -> None:
    server = MailServer(users={"hooks": "tr0ub4dor"})
    with serving(server) as port:
        login = {"username": "hooks", "password_file": password_file}
        result = await sender_to(port, compose, security="starttls", **login)(mail)
    assert result.deferred == mail.recipients
    assert (server.taken, server.logins) == ([], [])
    assert result.error is not None
    assert "check smtp.security" in result.error


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_trusts_gets_no_mail(
    compose: Compose, mail: Mail, server_tls: ssl.SSLContext, security: str
) -> None:
    server = MailServer()
    with serving(server, security=security, tls=server_tls) as port:
        result = await sender_to(port, compose, security=security)(mail)
    assert result.deferred == mail.recipients
    assert server.taken == []
    assert result.error is not None
    assert "its certificate is not trusted" in result.error
    assert "smtp.ca_file" in result.error


# refusals


async def test_a_recipient_refused_for_good_does_not_keep_the_mail_from_the_others(
    compose: Compose, mail: Mail
) -> None:
    server = MailServer(recipient_replies={"bob@example.com": "550 No such user"})
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert (result.taken, result.refused, result.deferred) == (("ann@example.com",), ("bob@example.com",), ())
    assert result.error == "bob@example.com: 550 No such user"


async def test_a_recipient_refused_for_now_is_to_be_tried_again(compose: Compose, mail: Mail) -> None:
    server = MailServer(recipient_replies={"bob@example.com": "450 Mailbox busy"})
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert (result.taken, result.refused, result.deferred) == (("ann@example.com",), (), ("bob@example.com",))


async def test_all_recipients_may_be_refused_each_for_its_own_reason(compose: Compose, mail: Mail) -> None:
    server = MailServer(recipient_replies={"ann@example.com": "450 Later", "bob@example.com": "550 Never"})
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert (result.taken, result.refused, result.deferred) == ((), ("bob@example.com",), ("ann@example.com",))


async def test_a_server_that_closes_between_recipients_defers_those_it_was_not_asked_for(
    compose: Compose, mail: Mail
) -> None:
    server = MailServer(recipient_replies={"ann@example.com": "421 Closing"})
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert (result.taken, result.refused, result.deferred) == ((), (), mail.recipients)


async def test_a_message_refused_for_good_is_not_tried_again(compose: Compose, mail: Mail) -> None:
    server = MailServer(data_reply="554 Looks like spam")
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert result.refused == mail.recipients
    assert result.error is not None
    assert "554 Looks like spam" in result.error


async def test_a_message_refused_for_now_is_to_be_tried_again(compose: Compose, mail: Mail) -> None:
    with serving(MailServer(data_reply="451 Try later")) as port:
        result = await sender_to(port, compose)(mail)
    assert result.deferred == mail.recipients


async def test_a_refused_sender_can_be_mended_in_the_settings_and_is_tried_again(compose: Compose, mail: Mail) -> None:
    with serving(MailServer(mail_reply="550 Who are you")) as port:
        result = await sender_to(port, compose)(mail)
    assert result.deferred == mail.recipients
    assert result.error is not None
    assert "check smtp.from" in result.error


@pytest.mark.parametrize("reply", ["421 Too busy for goodbyes", ""])
async def test_a_rude_goodbye_does_not_undo_the_sending(compose: Compose, mail: Mail, reply: str) -> None:
    server = MailServer(quit_reply=reply)
    with serving(server) as port:
        result = await sender_to(port, compose)(mail)
    assert result.taken == mail.recipients


async def test_what_is_no_address_is_refused_without_asking_the_server(compose: Compose, mail: Mail) -> None:
    result = await sender_to(1, compose)(replace(mail, recipients=("nobody", "a@b\r\nRCPT TO:<eve@example.com>")))
    assert len(result.refused) == 2
    assert result.error is not None
    assert "nobody: 550 this is not an email address" in result.error


@pytest.mark.parametrize("smtputf8", [True, False])
async def test_an_address_beyond_ascii_needs_a_server_that_takes_it(
    compose: Compose, mail: Mail, smtputf8: bool
) -> None:
    server = MailServer()
    with serving(server, smtputf8=smtputf8) as port:
        result = await sender_to(port, compose)(replace(mail, recipients=("jörg@example.com", "ann@exämple.com")))
    assert result.taken == (("jörg@example.com", "ann@exämple.com") if smtputf8 else ("ann@exämple.com",))
    assert server.taken[0].rcpt_tos[-1] == "ann@xn--exmple-cua.com"
    assert ("jörg@example.com" in server.messages[0]["To"]) is smtputf8


@pytest.mark.parametrize("local_part", ['"ann bob"', '"ann@bob"', '"a\\"b"', "o'hara", "a/b=c"])
async def test_an_odd_local_part_arrives_as_it_is(compose: Compose, mail: Mail, local_part: str) -> None:
    server, recipient = MailServer(), f"{local_part}@example.com"
    with serving(server) as port:
        result = await sender_to(port, compose)(replace(mail, recipients=(recipient,)))
    assert result.taken == (recipient,)
    assert server.taken[0].rcpt_tos == [recipient]
    assert server.messages[0]["To"].addresses[0].addr_spec == recipient


@pytest.mark.parametrize("smtputf8", [True, False])
async def test_a_sender_beyond_ascii_needs_a_server_that_takes_it(mail: Mail, smtputf8: bool) -> None:
    sender = parse_sender("Kakiyo <jörg@exämple.com>")
    assert sender is not None
    server, compose = MailServer(), message_composer(sender, "https://hooks.example.com")
    with serving(server, smtputf8=smtputf8) as port:
        settings = SmtpSettings(host="127.0.0.1", port=port, security="none")
        result = await smtp_sender(settings, sender, compose)(mail)
    if smtputf8:
        assert result.taken == mail.recipients
        assert server.taken[0].mail_from == "jörg@xn--exmple-cua.com"
    else:
        assert result.deferred == mail.recipients
        assert result.error is not None
        assert "check smtp.security, smtp.username and smtp.from" in result.error


async def test_an_address_given_twice_is_sent_to_once_and_settled_for_both(compose: Compose, mail: Mail) -> None:
    server = MailServer()
    with serving(server) as port:
        result = await sender_to(port, compose)(replace(mail, recipients=("ann@example.com", "ann@example.com")))
    assert len(result.taken) == 2
    assert server.taken[0].rcpt_tos == ["ann@example.com"]


# no server


async def test_a_server_that_is_down_defers_and_once_it_is_up_the_mail_goes_out(compose: Compose, mail: Mail) -> None:
    server, bound = MailServer(), reserve_port()
    send = sender_to(bound.getsockname()[1], compose)
    down = await send(mail)
    with serving(server, bound):
        up = await send(mail)
    assert down.deferred == mail.recipients
    assert down.error is not None
    assert "cannot be reached (Connection refused)" in down.error
    assert up.taken == mail.recipients
    assert len(server.taken) == 1


async def test_a_missing_password_file_is_named(compose: Compose, mail: Mail, tmp_path: Path) -> None:
    with serving(MailServer(users={"hooks": "x"})) as port:
        result = await sender_to(port, compose, username="hooks", password_file=tmp_path / "gone")(mail)
    assert result.error is not None
    assert "gone cannot be read (No such file or directory)" in result.error


async def test_a_password_that_cannot_be_sent_is_told(compose: Compose, mail: Mail, password_file: Path) -> None:
    await trio.Path(password_file).write_text("pässword")
    with serving(MailServer(users={"hooks": "x"})) as port:
        result = await sender_to(port, compose, username="hooks", password_file=password_file)(mail)
    assert result.deferred == mail.recipients
    assert result.error is not None
    assert "only ASCII can" in result.error


async def test_a_cancelled_sending_ends_at_once_though_the_server_is_silent(compose: Compose, mail: Mail) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        send = sender_to(silent.getsockname()[1], compose)
        with trio.move_on_after(5) as limit:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, mail)
                connection, _ = await trio.to_thread.run_sync(silent.accept)
                nursery.cancel_scope.cancel()
        connection.close()  # lets the abandoned thread end
        assert not limit.cancel_called, "a sending may take a minute, and waits no more for it"


async def test_the_settings_say_which_way_mail_goes_out(tmp_path: Path, mail: Mail) -> None:
    await make_sender(Settings(state_dir=tmp_path))(mail)
    assert [path.name for path in (tmp_path / "Maildir/new").iterdir()] == ["mail_01k"]
    server = MailServer()
    with serving(server) as port:
        smtp = SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none"})
        await make_sender(Settings(state_dir=tmp_path, smtp=smtp))(mail)
    assert server.messages[0]["From"] == "webhooks@localhost"
