"""Sealed secrets, the keys' file, and the private file that it is (issue: secrets at rest)."""

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, find_keys, read_keys, write_keys
from daemon.crypto.vault import SEAL_LENGTH, Vault, VaultError, generate_key, key_id
from daemon.files.private_file import write_private_file
from daemon.systemd.credentials import ENCRYPTION_KEY as CREDENTIAL

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
SECRET = "correct horse: пароль 🔑"


def settings(state_dir: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": state_dir, **sections})


# sealing


@pytest.mark.parametrize("secret", [SECRET, "x", "", "v1.not.sealed", "whsec_" + "A" * 44, "ä" * 256])
def test_what_is_sealed_opens_and_cannot_be_read(secret: str) -> None:
    sealed = Vault([OLD]).seal(secret, "wh_1")
    assert Vault([OLD]).open(sealed, "wh_1") == secret
    assert not secret or len(secret) == 1 or secret not in sealed
    assert sealed.isascii()


def test_a_seal_tells_its_version_and_key_and_nothing_of_the_key() -> None:
    sealed = Vault([OLD]).seal(SECRET, "wh_1")
    assert sealed[:SEAL_LENGTH] == f"v1.{key_id(OLD)}"
    assert sealed[SEAL_LENGTH] == "."
    assert key_id(OLD) != key_id(NEW)


def test_the_same_secret_never_looks_the_same() -> None:
    vault = Vault([OLD])
    assert len({vault.seal(SECRET, "wh_1") for _ in range(100)}) == 100


@pytest.mark.fault(
    "a sealed secret is copied into another webhook's row, or changed in the database",
    "it does not open: AES-GCM authenticates it together with the webhook's id",
)
@pytest.mark.parametrize("place", [*range(SEAL_LENGTH), SEAL_LENGTH + 1, SEAL_LENGTH + 20, -5])
def test_a_seal_that_was_changed_does_not_open(place: int) -> None:
    vault = Vault([OLD])
    sealed = list(vault.seal(SECRET, "wh_1"))
    sealed[place] = "A" if sealed[place] != "A" else "B"
    with pytest.raises(VaultError, match=r"^the secret of wh_1 ") as refused:
        vault.open("".join(sealed), "wh_1")
    assert SECRET not in str(refused.value)


def test_a_seal_does_not_open_for_another_webhook() -> None:
    vault = Vault([OLD])
    with pytest.raises(VaultError, match=r"^the secret of wh_2 was changed"):
        vault.open(vault.seal(SECRET, "wh_1"), "wh_2")


@pytest.mark.parametrize("sealed", ["", "v1", "v1..", SECRET, f"v1.{key_id(OLD)}.", f"v1.{key_id(OLD)}.AAAA", "v1.x.é"])
def test_what_is_no_seal_is_told_in_a_sentence(sealed: str) -> None:
    with pytest.raises(VaultError, match=r"give the webhook a new one$"):
        Vault([OLD]).open(sealed, "wh_1")


def test_the_first_key_seals_and_every_key_opens() -> None:
    both = Vault([NEW, OLD])
    old = Vault([OLD]).seal(SECRET, "wh_1")
    assert both.open(old, "wh_1") == SECRET
    assert Vault([NEW]).open(both.seal(SECRET, "wh_1"), "wh_1") == SECRET
    assert Vault([NEW]).open(both.reseal(old, "wh_1"), "wh_1") == SECRET


def test_a_vault_knows_its_own_seals_by_their_beginning() -> None:
    sealed = Vault([OLD]).seal(SECRET, "wh_1")[:SEAL_LENGTH]
    assert Vault([NEW, OLD]).knows(sealed)
    assert not Vault([NEW]).knows(sealed)
    assert not Vault([OLD]).knows(SECRET)


# the keys' file


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    made = find_keys(settings(tmp_path), {})
    path = tmp_path / ENCRYPTION_KEY
    assert (made.is_new, made.path, len(made.keys)) == (True, path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == base64.b64encode(made.keys[0]).decode() + "\n"
    assert list(tmp_path.iterdir()) == [path]


def test_later_starts_find_the_same_key(tmp_path: Path) -> None:
    made = find_keys(settings(tmp_path), {})
    found = find_keys(settings(tmp_path), {})
    assert (found.keys, found.is_new) == (made.keys, False)


def test_two_daemons_make_different_keys() -> None:
    assert generate_key() != generate_key()


def test_a_credential_wins_over_the_setting_which_wins_over_the_state_directory(tmp_path: Path) -> None:
    keys = [generate_key() for _ in range(3)]
    write_keys(tmp_path / CREDENTIAL, keys[:1])
    (tmp_path / CREDENTIAL).chmod(0o440)  # as systemd makes it, with an access list
    write_keys(tmp_path / "chosen", keys[1:2])
    write_keys(tmp_path / ENCRYPTION_KEY, keys[2:])
    chosen = settings(tmp_path, secrets={"key_file": tmp_path / "chosen"})
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_keys(chosen, credentials).keys == (keys[0],)
    assert find_keys(chosen, credentials).is_credential
    assert find_keys(chosen, {}).keys == (keys[1],)
    assert find_keys(settings(tmp_path), {}).keys == (keys[2],)
    assert find_keys(settings(tmp_path), {"CREDENTIALS_DIRECTORY": "/nowhere"}).keys == (keys[2],)


def test_a_file_that_the_settings_name_is_never_made(tmp_path: Path) -> None:
    missing = settings(tmp_path, secrets={"key_file": tmp_path / "missing"})
    with pytest.raises(ConfigError, match=r"missing: the encryption key cannot be read \(No such file or directory\)"):
        find_keys(missing, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"\xff\xfe", b"not base64!", base64.b64encode(bytes(31)), base64.b64encode(bytes(33)), b"A" * 43],
)
def test_a_spoilt_key_file_is_refused_in_one_sentence_that_does_not_repeat_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ENCRYPTION_KEY).write_bytes(content)
    (tmp_path / ENCRYPTION_KEY).chmod(0o600)
    with pytest.raises(ConfigError, match=r"encryption\.key: expected the base64 of 32 bytes in each line") as refused:
        find_keys(settings(tmp_path), {})
    assert not content.strip() or content.decode("latin-1") not in str(refused.value)
    assert (tmp_path / ENCRYPTION_KEY).read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o660, 0o601])
def test_a_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    write_keys(tmp_path / "key", [OLD])
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_keys(tmp_path / "key")


def test_keys_are_not_in_what_is_printed_of_them(tmp_path: Path) -> None:
    assert "keys=" not in repr(find_keys(settings(tmp_path), {}))


# the private file


def test_a_file_half_written_at_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.new").write_text("half")
    (tmp_path / "a.key").write_text("before")
    write_private_file(tmp_path / "a.key", "whole")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["whole"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_root_writes_anew_stays_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("before")
    os.chown(path, 1234, 5678)
    write_private_file(path, "after")
    assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (1234, 5678, 0o600)
