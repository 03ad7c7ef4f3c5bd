"""How mail is sent: by SMTP if a server is configured, otherwise into the Maildir in the state directory."""

from collections.abc import Callable

from daemon.config.settings import Settings
from daemon.domain.email_addresses import parse_sender
from daemon.domain.mails import Mail
from daemon.mail.maildir import maildir_sender
from daemon.mail.message import message_composer
from daemon.mail.result import Send, SendResult
from daemon.mail.smtp import smtp_sender


def live_sender(settings: Callable[[], Settings]) -> Send:
    """Return a `Send` that uses the settings as they are at each mail."""

    async def send(mail: Mail) -> SendResult:
        return await make_sender(settings())(mail)

    return send


def make_sender(settings: Settings) -> Send:
    """Return the `Send` for these settings (contract "Auto-disable"): SMTP, or `Maildir` without `smtp.host`."""
    sender = parse_sender(settings.smtp.sender)
    if sender is None:
        raise ValueError("smtp.from was validated when the settings were loaded")
    compose = message_composer(sender, settings.public_url)
    if settings.smtp.host:
        return smtp_sender(settings.smtp, sender, compose)
    return maildir_sender(settings.state_dir / "Maildir", compose)
