"""The servers that runs use: what they acknowledged, they have after a crash, and so has a standby that is promoted."""

import psycopg
import trio

from tests.cluster.chaos.pooler import open_pooler
from tests.cluster.chaos.server import DATABASE, is_primary, open_server, open_standby
from tests.support.postgresql import SUPERUSER


async def test_a_crash_and_a_promotion_keep_what_was_committed() -> None:
    async with open_server() as server, open_standby(server) as standby:
        await server.query("CREATE TABLE kept (n int)")
        await server.query("INSERT INTO kept VALUES (1)")
        await server.stop("immediate")
        await server.start()
        await server.query("INSERT INTO kept VALUES (2)")
        await server.stop("immediate")
        assert not await is_primary(standby)
        await standby.promote()
        assert await is_primary(standby)
        assert await standby.query("SELECT n FROM kept ORDER BY n") == [(1,), (2,)]
        await standby.query("INSERT INTO kept VALUES (3)")


async def test_the_pooler_gives_a_session_away_between_transactions() -> None:
    async with open_server() as server, open_pooler(server.address) as (host, port):

        def set_and_look() -> object:
            with psycopg.connect(host=host, port=port, user=SUPERUSER, dbname=DATABASE, autocommit=True) as one:
                one.execute("SET statement_timeout = 4321")
                with psycopg.connect(host=host, port=port, user=SUPERUSER, dbname=DATABASE, autocommit=True) as two:
                    return two.execute("SHOW statement_timeout").fetchone()

        assert await trio.to_thread.run_sync(set_and_look) == ("4321ms",), "the other client's session"
