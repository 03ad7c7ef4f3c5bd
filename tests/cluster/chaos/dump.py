"""A backup by pg_dump, whose snapshot stays for as long as it takes, while everything goes on."""

import random
import shutil
from pathlib import Path

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.server import DATABASE, HOST, Server
from tests.support.postgresql import SUPERUSER


async def dump(cluster: Cluster, _chance: random.Random) -> None:
    """Dump the whole database, and have a second reader hold its snapshot for some seconds."""
    await _dump(cluster.primary)
    await cluster.primary.query("SELECT count(*) FROM deliveries, pg_sleep(3)")


async def keep(server: Server, path: Path) -> None:
    """Keep what the database holds as a file of SQL, for whoever looks into what went wrong."""
    shutil.copy(await _dump(server), path)


async def _dump(server: Server) -> Path:
    path = server.directory / "dump.sql"
    await server.run(
        "pg_dump", "--host", HOST, "--port", str(server.port), "--username", SUPERUSER, "--dbname", DATABASE,
        "--file", path,
    )  # fmt: skip
    return path
