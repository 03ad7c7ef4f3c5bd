"""Without a mail server, mails go into a Maildir, which any mail reader opens (contract "Auto-disable")."""

import os
from functools import partial
from pathlib import Path

import trio

from daemon.domain.email_addresses import parse_address
from daemon.domain.mails import Mail
from daemon.mail.message import Compose, as_wire
from daemon.mail.result import Send, SendResult


def maildir_sender(directory: Path, compose: Compose) -> Send:
    """Return a `Send` that writes each mail into the Maildir `directory`, which it creates if necessary.

    The file is named after the mail, so sending it twice leaves one file. A failing disk defers the mail.
    """
    limiter = trio.CapacityLimiter(1)

    async def send(mail: Mail) -> SendResult:
        # Not abandoned on cancel: a local write is short, and two threads must not write the same file.
        return await trio.to_thread.run_sync(partial(_deliver, directory, compose, mail), limiter=limiter)

    return send


def _deliver(directory: Path, compose: Compose, mail: Mail) -> SendResult:
    addresses = [address for recipient in mail.recipients if (address := parse_address(recipient))]
    message = as_wire(compose(mail, addresses))
    try:
        write_once(directory, mail.id, message)
    except OSError as error:
        return SendResult(deferred=mail.recipients, error=f"{directory}: the mail cannot be written: {error.strerror}")
    return SendResult(taken=mail.recipients)


def write_once(directory: Path, name: str, message: bytes) -> None:
    """Write `message` into the Maildir's `new/` as `name`, atomically and flushed.

    Does nothing if it is already in `new/`, or in `cur/`, where readers move it (adding flags). Raises OSError.
    """
    for part in ("tmp", "new", "cur"):
        (directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    new = directory / "new" / name
    if new.exists() or any((directory / "cur").glob(f"{name}*")):
        return
    draft = directory / "tmp" / name
    _write_to_disk(draft, message)
    draft.rename(new)
    _sync_directory(new.parent)


def _write_to_disk(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
