"""What is set shows where the contract says it does (contract "Configuration")."""

from email import message_from_bytes, policy
from pathlib import Path

from daemon.config import SmtpSettings
from daemon.mail.sender import make_sender
from daemon.model import Mail
from tests.support.daemon import EPOCH_MS, make_settings

MAIL = Mail(
    "mail_1", "team_acme", ("ops@example.com",), "wh_1", "CRM", "https://crm.example.com/", EPOCH_MS, (), EPOCH_MS
)


async def test_the_sender_and_the_public_address_of_the_settings_stand_in_the_mail(tmp_path: Path) -> None:
    smtp = SmtpSettings.model_validate({"from": "webhooks@example.com"})
    settings = make_settings(tmp_path, smtp=smtp, public_url="https://hooks.example.com")
    await make_sender(settings)(MAIL)
    [file] = (tmp_path / "Maildir/new").iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    text = mail.get_body(("plain",))
    assert mail["From"] == "webhooks@example.com"
    assert text is not None
    assert "https://hooks.example.com/v1/webhooks/wh_1" in text.get_content()
