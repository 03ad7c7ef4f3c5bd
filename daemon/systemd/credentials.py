"""Secrets that systemd hands to the service as files: `LoadCredential=` of the unit, after systemd.exec(5)."""

import os
from collections.abc import Mapping
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of

OPERATOR_KEY = "operator-key"
ENCRYPTION_KEY = "encryption-key"
SMTP_PASSWORD = "smtp-password"  # noqa: S105 - a name
STORE_PASSWORD = "store-password"  # noqa: S105 - a name
EGRESS_PROXY_PASSWORD = "egress-proxy-password"  # noqa: S105 - a name

_DIRECTORY = "CREDENTIALS_DIRECTORY"


def credential(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the credential with this name, None if there is no such credential.

    A directory of credentials that may not be looked into has them all, as far as can be told: reading says why not.
    """
    if not (directory := environment.get(_DIRECTORY)):
        return None
    path = Path(directory) / name
    try:
        with acting_as_owner_of(path.parent):
            path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return path
    return path
