"""The mail about a disabled webhook, to a real mail server (contract "Auto-disable")."""

import mailbox
import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, operated
from tests.support import smtp
from tests.support.receivers import open_receiver, respond
from tests.support.tls import TestAuthority

_QUICK = {"retry_delays_s": [0.01, 0.02, 0.04]}
_RECIPIENTS = ("ann@example.com", "bob@example.com")
_PASSWORD = "the password of the mail account"
_ACCOUNT = "hooks@example.com"


async def disable_a_webhook(operator: Operator) -> dict[str, object]:
    """Have four deliveries fail, and a fifth cancelled; return the webhook that this disables."""
    await operator.make_team("acme", *_RECIPIENTS)
    async with open_receiver(respond(503, b"down for maintenance")) as receiver:
        webhook = await operator.make_webhook(receiver.url)
        await operator.submit(1, 2, 3, 4)
        await operator.daemon.logged("webhook_disabled", webhookId=webhook["id"])
        assert len(receiver.requests) == 4 * 4
    return webhook


def check_mail(mail: EmailMessage, webhook: dict[str, object]) -> None:
    assert mail["To"] == ", ".join(_RECIPIENTS)
    assert "CRM sync" in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for part in mail.iter_parts():
        text = part.get_content()
        assert "CRM sync" in text
        assert str(webhook["url"]) in text
        assert str(webhook["id"]) in text
        assert text.count("503") >= 4, "the last error of each of the four deliveries"


@ends_within(40)
async def test_one_mail_arrives_even_if_the_server_was_down_and_the_daemon_killed(
    new_installation: MakeInstallation, authority: TestAuthority, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(_PASSWORD + "\n")
    server = smtp.MailServer(users={_ACCOUNT: _PASSWORD})
    settings = {
        "host": "127.0.0.1",
        "security": "starttls",
        "username": _ACCOUNT,
        "password_file": str(tmp_path / "password"),
        "from": "Kakiyo <hooks@example.com>",
        "ca_file": str(authority.ca_file),
    }
    with smtp.reserve_port() as bound:
        installation = new_installation(smtp={**settings, "port": bound.getsockname()[1]}, delivery=_QUICK)
        async with operated(installation, confidential=[_PASSWORD]) as operator:
            webhook = await disable_a_webhook(operator)
            await operator.daemon.logged("mail_deferred", webhookId=webhook["id"])
            await operator.daemon.kill()
        with smtp.serving(server, bound, security="starttls", tls=authority.server_context("127.0.0.1")):
            async with operated(installation, confidential=[_PASSWORD]) as operator:
                await operator.daemon.logged("mail_sent", webhookId=webhook["id"])
    [mail] = server.messages
    check_mail(mail, webhook)
    assert server.encrypted == [True]
    assert server.logins == [_ACCOUNT]
    assert server.taken[0].rcpt_tos == list(_RECIPIENTS)


@ends_within(20)
async def test_without_a_mail_server_the_mail_is_in_the_maildir_and_the_webhook_can_be_enabled_again(
    new_installation: MakeInstallation,
) -> None:
    installation = new_installation(delivery=_QUICK)
    async with operated(installation) as operator:
        webhook = await disable_a_webhook(operator)
        await operator.daemon.logged("mail_sent", webhookId=webhook["id"])
        shown = await operator.call("GET", f"/v1/webhooks/{webhook['id']}")
        assert (shown["active"], shown["consecutiveFailures"]) == (False, 4)
        assert shown["disabledReason"] == "consecutive_failures"
        enabled = await operator.call("PATCH", f"/v1/webhooks/{webhook['id']}", {"active": True})
        assert (enabled["active"], enabled["consecutiveFailures"], enabled["disabledAt"]) == (True, 0, None)
    [mail] = read_maildir(installation.state_dir / "Maildir")
    check_mail(mail, webhook)


def read_maildir(directory: Path) -> list[EmailMessage]:
    files = mailbox.Maildir(directory, create=False)
    parse = BytesParser(policy=policy.default).parsebytes
    return [parse(files.get_bytes(key)) for key in files.iterkeys()]


@ends_within(40)
async def test_an_address_confirms_by_the_link_of_the_mail_that_it_gets(new_installation: MakeInstallation) -> None:
    server = smtp.MailServer()
    with smtp.serving(server) as port:
        settings = {"host": "127.0.0.1", "security": "none", "port": port, "from": "hooks@example.com"}
        async with operated(new_installation(smtp=settings)) as operator:
            await operator.make_team("acme")
            path = "/v1/teams/acme/notification-emails"
            await operator.call("POST", path, {"email": "new@example.com"}, expect=202)
            await operator.daemon.logged("mail_sent", teamId="acme")
            [mail] = server.messages
            assert mail["To"] == "new@example.com"
            [text, _] = [part.get_content() for part in mail.iter_parts()]
            [token] = re.findall(r"/console/confirm-address#(kwc_\S{43})\s", text)
            answer = await operator.http.post("/console/confirm-address", data={"link": token})
            assert answer.status_code == 200
            await operator.daemon.logged("address_confirmed", teamId="acme")
            assert [one["confirmed"] for one in (await operator.call("GET", path))["items"]] == [True]
