"""The encryption key of nodes that share a database is rotated while they run (contract "Secrets at rest")."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.config.settings import ConfigError, Settings, StoreSettings
from daemon.crypto.encryption_keys import KeyFile
from daemon.crypto.idempotency import Once
from daemon.crypto.signing import Secrets, signature_headers
from daemon.crypto.vault import Vault, key_id
from daemon.domain.submission import Idempotency
from daemon.maintenance.postgresql_store import open_with_vault
from daemon.maintenance.shared_key_rotation import rotate_shared_key
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import open_database
from daemon.store.postgresql.key_fingerprint import key_in_use
from tests.cluster.real_nodes import Cluster, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

OLD, NEW = bytes(32), bytes(range(32))
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
URL = "https://receiver.example/hook"


@pytest.fixture
def settings(address: Address, tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", store=StoreSettings(url=address.url))


@pytest.fixture
def sealed_with_old(address: Address) -> None:
    """The database is used with the old key."""
    database = open_database(address)
    assert key_in_use(database.writing, [key_id(OLD)]) == key_id(OLD)
    database.close()


def keys(*given: bytes) -> KeyFile:
    return KeyFile(Path("/keys"), given)


def sealed(address: Address) -> list[str]:
    """Return all that is sealed in the database."""
    query = "SELECT secret FROM webhooks UNION ALL SELECT answer FROM kept_answers"
    with address.connect({}) as connection:
        return [str(row[0]) for row in connection.execute(query).fetchall()]


def prefix(key: bytes) -> str:
    return Vault([key]).seal_prefix


async def a_webhook(daemon: RunningDaemon, url: str = URL) -> Any:
    """Make a team and a webhook of it whose answer is kept."""
    team = await daemon.team()
    once: Once[Any] = Once(Idempotency(team.id, "key", b"same"), lambda _: b"{}")
    return team, await daemon.parts.webhooks.create(team.id, "CRM", url, SECRET, ("*",), once)


@pytest.mark.usefixtures("sealed_with_old")
async def test_nodes_that_have_both_keys_go_on_while_everything_is_sealed_anew(
    cluster: Cluster, address: Address, settings: Settings
) -> None:
    cluster.keys = (NEW, OLD)
    async with cluster.node("a") as first, cluster.node("b") as second:
        await until_shared(first, second)
        team, webhook = await a_webhook(first)
        await second.submit(team, 1)
        await until(lambda: len(cluster.receiver.arrivals) == 1)
        assert {one.startswith(prefix(OLD)) for one in sealed(address)} == {True}, (
            "until then all seal with the old one"
        )

        rotate = partial(rotate_shared_key, settings, keys(NEW, OLD))
        assert await trio.to_thread.run_sync(rotate) == 1
        assert len(sealed(address)) == 2
        assert {one.startswith(prefix(NEW)) for one in sealed(address)} == {True}
        assert first.parts.vault.sealing == second.parts.vault.sealing == key_id(NEW)

        # Its actor still has what the old key sealed.
        assert await first.change(webhook, name="Renamed") is not None
        await a_webhook(second, f"{URL}/2")
        assert {one.startswith(prefix(NEW)) for one in sealed(address)} == {True}
        await second.submit(team, 2)
        await until(lambda: len(cluster.receiver.arrivals) == 2)
        assert await trio.to_thread.run_sync(rotate) == 0, "it may be repeated"
    for arrival in cluster.receiver.arrivals:
        id_and_time = (arrival.headers["webhook-id"], int(arrival.headers["webhook-timestamp"]))
        signed = dict(signature_headers(Secrets(SECRET), *id_and_time, arrival.body))
        assert arrival.headers["webhook-signature"] == signed["webhook-signature"]
    open_with_vault(address, Vault([NEW]), key_file=keys(NEW)).close()
    with pytest.raises(DatabaseRefused, match="/keys: is not the encryption key"):
        open_with_vault(address, Vault([OLD]), key_file=keys(OLD))


@pytest.mark.usefixtures("sealed_with_old")
async def test_a_key_that_a_node_does_not_have_is_not_taken(
    cluster: Cluster, address: Address, settings: Settings
) -> None:
    cluster.keys = (OLD,)
    async with cluster.node("a") as daemon:
        await a_webhook(daemon)
        with pytest.raises(ConfigError) as refused:
            await trio.to_thread.run_sync(rotate_shared_key, settings, keys(NEW, OLD))
        assert str(refused.value) == (
            "/keys: node a does not have its first key: write it into the key file there, too, restart that node, and "
            "run this again"
        )
        assert daemon.parts.vault.sealing == key_id(OLD)
    assert {one.startswith(prefix(OLD)) for one in sealed(address)} == {True}


@pytest.mark.usefixtures("sealed_with_old")
def test_a_node_that_says_nothing_is_waited_for_and_one_whose_lease_is_over_is_ended(
    address: Address, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.maintenance.shared_key_rotation._WAIT_FOR_NODES_S", 0)
    with address.connect({}, autocommit=True) as connection:
        for name, lease in (("slow", "1 hour"), ("dead", "-1 s")):
            terms = f'{{"terms": {{"keys": ["{key_id(NEW)}", "{key_id(OLD)}"]}}, "sealing": "{key_id(OLD)}"}}'
            connection.execute(
                "WITH life AS (INSERT INTO nodes (installation, name, host, version, report)"
                " VALUES (%(name)s, %(name)s, 'host', '1', %(terms)s) RETURNING node)"
                " INSERT INTO leases SELECT node, clock_timestamp() + %(lease)s::interval, clock_timestamp() FROM life",
                {"name": name, "terms": terms, "lease": lease},
            )
    with pytest.raises(ConfigError, match="node slow has not said that it seals with the new key"):
        rotate_shared_key(settings, keys(NEW, OLD))
    with address.connect({}) as connection:
        ended = connection.execute("SELECT name FROM nodes WHERE ended_at IS NOT NULL").fetchall()
    assert ended == [("dead",)], "what it still writes dies at the fence"
