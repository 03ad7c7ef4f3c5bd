"""The password of a PostgreSQL database, which is in a file of its own."""

from daemon.config.settings import ConfigError, Settings
from daemon.systemd.credentials import STORE_PASSWORD, credential


def store_password(settings: Settings) -> str | None:
    """Return the password, None if there is no file or it is empty: then the URL has it, or it needs none.

    It is in `store.password_file`, or else in systemd's credential. Raises ConfigError when it cannot be read.
    """
    file = settings.store.password_file or credential(STORE_PASSWORD)
    try:
        return (file and file.read_text("utf-8").rstrip("\r\n")) or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: the database's password cannot be read ({error}): correct that") from None
