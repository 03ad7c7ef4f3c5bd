"""Portal links are kept, used and revoked on both engines (contract "Portal links")."""

import pytest
from msgspec import structs

from daemon.domain.errors import LinkOver
from daemon.domain.portal_links import PortalLink
from daemon.store.commands import AddPortalLink, RevokePortalLink, UsePortalLink
from daemon.store.reads import api_reads
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, a_portal_link, count, run

LATER = NOW + 1_000


def add(database: AnyDatabase, link: PortalLink) -> PortalLink:
    run(database, AddPortalLink(link, link.id.encode(), 0))
    return link


def stored(database: AnyDatabase, link_id: str = "plk_1") -> PortalLink | None:
    with database.reading.connect() as connection:
        return api_reads.get_portal_link(connection, link_id)


def test_a_link_is_found_by_its_id_and_by_its_token_as_it_was_made(database: AnyDatabase) -> None:
    link = add(database, a_portal_link(read_only=True, once=True, return_url="https://a.example/"))
    add(database, a_portal_link(2))
    assert stored(database) == link
    with database.reading.connect() as connection:
        assert api_reads.portal_link_of_token(connection, b"plk_1") == link
        assert api_reads.portal_link_of_token(connection, b"plk_3") is None


def test_a_link_for_once_is_used_once_however_close_together_it_is_tried(database: AnyDatabase) -> None:
    link = add(database, a_portal_link(once=True))
    answers = run_batch(database, [UsePortalLink("plk_1", LATER + number) for number in range(3)])
    assert [type(answer) for answer in answers] == [bool, LinkOver, LinkOver]
    assert stored(database) == structs.replace(link, used_at=LATER)


def test_another_link_is_used_until_it_expires(database: AnyDatabase) -> None:
    link = add(database, a_portal_link())
    for at in (LATER, link.expires_at - 1):
        run(database, UsePortalLink("plk_1", at))
    with pytest.raises(LinkOver):
        run(database, UsePortalLink("plk_1", link.expires_at))
    assert stored(database) == structs.replace(link, used_at=link.expires_at - 1)


def test_a_revoked_link_is_not_used_and_keeps_the_time_of_its_first_revocation(database: AnyDatabase) -> None:
    add(database, a_portal_link())
    run_batch(database, [RevokePortalLink("plk_1", LATER), RevokePortalLink("plk_1", LATER + 1)])
    with pytest.raises(LinkOver):
        run(database, UsePortalLink("plk_1", LATER + 2))
    link = stored(database)
    assert link is not None
    assert (link.used_at, link.revoked_at) == (None, LATER)


def test_each_new_link_forgets_those_that_were_over_long_ago(database: AnyDatabase) -> None:
    for number in range(1, 4):
        add(database, a_portal_link(number, expires_at=NOW + number))
    run(database, AddPortalLink(a_portal_link(9), b"new", NOW + 3))
    assert stored(database, "plk_2") is None
    assert count(database, "portal_links") == 2


def test_the_live_links_are_those_neither_revoked_nor_over(database: AnyDatabase) -> None:
    for number, life in enumerate((5, 10, 10, 10), 1):
        add(database, a_portal_link(number, expires_at=NOW + life))
    run(database, RevokePortalLink("plk_2", NOW))
    with database.reading.connect() as connection:
        first = api_reads.live_portal_links(connection, "team_1", NOW + 5, 1)
        second = api_reads.live_portal_links(connection, "team_1", NOW + 5, 1, first.next_cursor)
    assert [link.id for page in (first, second) for link in page.items] == ["plk_4", "plk_3"]
    assert second.next_cursor is None
