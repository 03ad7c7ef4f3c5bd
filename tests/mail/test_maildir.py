import mailbox
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.domain.mails import Mail
from daemon.mail.maildir import maildir_sender
from daemon.mail.message import Compose


def mails_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.glob("*/*"))


async def test_a_mail_is_written_where_mail_readers_find_it(tmp_path: Path, compose: Compose, mail: Mail) -> None:
    result = await maildir_sender(tmp_path / "Maildir", compose)(mail)
    assert (result.taken, result.error) == (mail.recipients, None)
    (message,) = mailbox.Maildir(tmp_path / "Maildir", create=False)
    assert message["To"] == "ann@example.com, bob@example.com"
    assert mails_in(tmp_path / "Maildir") == ["new/mail_01k"]


async def test_only_its_owner_can_read_it(tmp_path: Path, compose: Compose, mail: Mail) -> None:
    await maildir_sender(tmp_path / "Maildir", compose)(mail)
    assert (tmp_path / "Maildir/new/mail_01k").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "Maildir/new").stat().st_mode & 0o777 == 0o700


async def test_a_mail_sent_twice_is_there_once(tmp_path: Path, compose: Compose, mail: Mail) -> None:
    send = maildir_sender(tmp_path, compose)
    await send(mail)
    await send(mail)
    assert mails_in(tmp_path) == ["new/mail_01k"]


async def test_a_mail_that_was_read_meanwhile_is_not_written_again(
    tmp_path: Path, compose: Compose, mail: Mail
) -> None:
    send = maildir_sender(tmp_path, compose)
    await send(mail)
    (tmp_path / "new/mail_01k").rename(tmp_path / "cur/mail_01k:2,S")
    await send(mail)
    assert mails_in(tmp_path) == ["cur/mail_01k:2,S"]


async def test_what_a_crash_left_half_written_is_replaced(tmp_path: Path, compose: Compose, mail: Mail) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/mail_01k").write_bytes(b"x" * 100_000)
    await maildir_sender(tmp_path, compose)(mail)
    assert mails_in(tmp_path) == ["new/mail_01k"]
    assert b"xxx" not in (tmp_path / "new/mail_01k").read_bytes()


async def test_a_disk_that_fails_defers_the_mail(tmp_path: Path, compose: Compose, mail: Mail) -> None:
    (tmp_path / "Maildir").write_bytes(b"a file where the directory should be")
    result = await maildir_sender(tmp_path / "Maildir", compose)(mail)
    assert (result.taken, result.deferred) == ((), mail.recipients)
    assert result.error is not None
    assert "Maildir: the mail cannot be written" in result.error


@pytest.mark.parametrize("recipients", [("no address",), ("jörg@example.com", "ann@example.com")])
async def test_odd_recipients_do_not_keep_a_mail_from_the_maildir(
    tmp_path: Path, compose: Compose, mail: Mail, recipients: tuple[str, ...]
) -> None:
    result = await maildir_sender(tmp_path, compose)(replace(mail, recipients=recipients))
    assert result.taken == recipients
    assert mails_in(tmp_path) == ["new/mail_01k"]
