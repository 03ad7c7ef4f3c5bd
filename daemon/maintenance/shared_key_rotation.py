"""Rotating the encryption key of nodes that share a database, while they run.

Every node has both keys first, the new one on the first line of its key file. Until the rotation all seal with the old
one, for the database says which key seals. The rotation changes that, waits until every node has said that it seals
with the new key, and only then seals anew what the old one sealed: so nothing more comes of it. After a crash at any
step every node opens everything with the two keys, and the rotation can be repeated.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from daemon.config.settings import ConfigError, Settings
from daemon.crypto.encryption_keys import KeyFile
from daemon.crypto.vault import Vault, VaultError, key_id
from daemon.maintenance.postgresql_store import addresses_of, open_with_vault
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.resealing import (
    in_transaction,
    not_yet_sealing,
    reseal_some,
    reseal_some_answers,
    seal_with,
)

_LOOK_EVERY_S, _WAIT_FOR_NODES_S = 0.2, 30
# What was sealed before may still wait for its commit when its node says that it seals otherwise.
_ROUNDS, _BETWEEN_ROUNDS_S = 5, 1.0


def rotate_shared_key(settings: Settings, key_file: KeyFile) -> int:
    """Have every node seal with the first of these keys, and seal everything anew with it; return of how many webhooks.

    Raises ConfigError, DatabaseRefused and VaultError; the keys in the file open the database all the same.
    """
    if len(key_file.keys) == 1:
        raise ConfigError(
            f"{key_file.path}: holds one key only: write a new key (openssl rand -base64 32) on a line before it in "
            "the key file of every node, restart one node after the other, and run this again"
        )
    address, _ = addresses_of(settings)
    vault, new = Vault(key_file.keys), key_id(key_file.keys[0])
    database = open_with_vault(address, vault, key_file=key_file)
    try:
        _switch(database, new, key_file.path)
        vault.use(new)
        return _reseal(database, vault)
    finally:
        database.close()


def _switch(database: PostgresqlDatabase, new: str, path: Path) -> None:
    if lacking := in_transaction(database.writing, partial(seal_with, fingerprint=new)):
        raise ConfigError(
            f"{path}: node {_listed(lacking)} does not have its first key: write it into the key file there, too, "
            "restart that node, and run this again"
        )
    deadline = time.monotonic() + _WAIT_FOR_NODES_S
    while waiting := in_transaction(database.writing, partial(not_yet_sealing, fingerprint=new)):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"{path}: node {_listed(waiting)} has not said that it seals with the new key: look at its log, and "
                "run this again; both keys are still needed"
            )
        time.sleep(_LOOK_EVERY_S)


def _reseal(database: PostgresqlDatabase, vault: Vault) -> int:
    secrets = partial(reseal_some, seal=vault.seal_prefix, reseal=vault.reseal)
    answers = partial(reseal_some_answers, seal=vault.seal_prefix, reseal=partial(_reseal_answer, vault))
    total = 0
    for _ in range(_ROUNDS):
        before = total
        while some := in_transaction(database.writing, secrets):
            total += some
        while in_transaction(database.writing, answers):
            pass
        if total == before:
            break
        time.sleep(_BETWEEN_ROUNDS_S)
    return total


def _reseal_answer(vault: Vault, sealed: str, answer_id: str) -> str | None:
    try:
        return vault.reseal(sealed, answer_id)
    except VaultError:
        return None  # no key opens it any more: not a reason to keep the old key


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
