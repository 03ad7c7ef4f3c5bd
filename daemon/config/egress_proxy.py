"""The proxy of the settings, through which all deliveries go, with its password, which is in a file of its own."""

from dataclasses import replace

from daemon.config.egress_settings import EgressSettings
from daemon.config.settings import ConfigError
from daemon.domain.proxy_login import check_password
from daemon.egress.proxy import Proxy, parse_proxy
from daemon.systemd.credentials import EGRESS_PROXY_PASSWORD, credential


def egress_proxy(settings: EgressSettings) -> Proxy | None:
    """Return the proxy, None if none is set. Raises ConfigError when its password cannot be read or sent."""
    if not settings.proxy:
        return None
    proxy = replace(parse_proxy(settings.proxy), resolves=settings.proxy_resolves, is_operators=True)
    return replace(proxy, password=_password(settings)) if proxy.username else proxy


def _password(settings: EgressSettings) -> str:
    file = settings.proxy_password_file or credential(EGRESS_PROXY_PASSWORD)
    if file is None:
        raise ConfigError("egress.proxy has a user name: name the file with its password in egress.proxy_password_file")
    try:
        password = file.read_text("utf-8").rstrip("\r\n")
        check_password(password)
    except OSError as error:
        raise ConfigError(f"{file}: the proxy's password cannot be read ({error.strerror}): correct that") from None
    except ValueError as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ConfigError(f"{file}: the proxy's password cannot be sent ({reason})") from None
    return password
