"""A backup by pg_dump, whose snapshot stays for as long as it takes, while everything goes on."""

import random

from tests.cluster.chaos.cluster import Cluster
from tests.cluster.chaos.server import DATABASE, HOST
from tests.support.postgresql import SUPERUSER


async def dump(cluster: Cluster, _chance: random.Random) -> None:
    """Dump the whole database, and have a second reader hold its snapshot for some seconds."""
    server = cluster.primary
    await server.run(
        "pg_dump", "--host", HOST, "--port", str(server.port), "--username", SUPERUSER, "--dbname", DATABASE,
        "--file", server.directory / "dump.sql",
    )  # fmt: skip
    await server.query("SELECT count(*) FROM deliveries, pg_sleep(3)")
