"""What is set shows where the contract says it does (contract "Configuration")."""

import re
import tomllib
from email import message_from_bytes, policy
from pathlib import Path

from daemon.config.settings import Settings, SmtpSettings
from daemon.domain.mails import Mail
from daemon.mail.sender import make_sender
from tests.contract.test_contract_index import DOCUMENTS
from tests.support.daemon import EPOCH_MS, make_settings

EXAMPLES = {
    ("state_dir",),
    ("public_url",),
    ("smtp", "from"),
    ("log", "format"),
}  # values that tell more than the default

MAIL = Mail(
    "mail_1", "team_acme", ("ops@example.com",), "wh_1", "CRM", "https://crm.example.com/", EPOCH_MS, (), EPOCH_MS
)


def test_the_settings_of_the_contract_have_their_defaults() -> None:
    [shown] = re.findall(r"```toml\n(.+?)```", (DOCUMENTS / "contract.md").read_text("utf-8"), re.DOTALL)
    defaults = Settings().model_dump(mode="json", by_alias=True)
    defaults["secrets"]["key_file"] = defaults["secrets"]["key_file"] or ""
    defaults["store"]["password_file"] = defaults["store"]["password_file"] or ""
    defaults["egress"]["proxy_password_file"] = defaults["egress"]["proxy_password_file"] or ""
    defaults["smtp"]["password_file"] = defaults["smtp"]["password_file"] or ""
    for section, value in tomllib.loads(shown).items():
        values = value if isinstance(value, dict) else {None: value}
        for name, said in values.items():
            if tuple(filter(None, (section, name))) not in EXAMPLES:
                assert (defaults[section][name] if name else defaults[section]) == said, (section, name)


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
