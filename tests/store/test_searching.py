"""Searching: what matches is found, page by page, and each page looks at a bounded number of rows and bytes."""

import random

import pytest
from msgspec import structs

from daemon.domain.search import Kind, read_wanted
from daemon.store.commands import AcceptEvents
from daemon.store.reads import search_reads
from daemon.store.reads.search_reads import Hit
from tests.store.filling import NOW, AnyDatabase, accept, accepting, found, run
from tests.store.test_queries import read

IDS = ("evt_01k0a3bq5t8v2x4z6c8e0g2j4m", "evt_01k0a3bq5t8v2x4z6c8e0g2j4n", "evt_01k0a4000000000000000000aa")


def with_event(command: AcceptEvents, **changes: object) -> AcceptEvents:
    [matched] = command.events
    return structs.replace(command, events=(structs.replace(matched, event=structs.replace(matched.event, **changes)),))


def ids_of(database: AnyDatabase, text: str, team_id: str | None = "team_1", limit: int = 10) -> list[str]:
    hits: list[Hit] = read(database, search_reads.find_ids, read_wanted(text).ids, team_id, limit)
    return [hit.id for hit in hits]


def test_ids_are_found_whole_and_by_their_beginning_in_the_own_team_only(database: AnyDatabase) -> None:
    found(database)
    for number, (event_id, team) in enumerate(zip(IDS, (1, 2, 1), strict=True)):
        run(database, with_event(accepting(number, team=team), id=event_id))
    assert ids_of(database, IDS[0]) == [IDS[0]]
    assert ids_of(database, IDS[1]) == []
    assert ids_of(database, IDS[1], None) == [IDS[1]]
    assert ids_of(database, "evt_01k0a3") == [IDS[0]]
    assert sorted(ids_of(database, "01k0a3bq5", None)) == sorted(IDS[:2])
    assert ids_of(database, "evt_01k0a3", None, 1) != []
    assert ids_of(database, "dlv_01k0a3bq") == []


def test_what_was_found_says_what_it_is(database: AnyDatabase) -> None:
    found(database)
    run(database, with_event(accepting(1), id=IDS[0]))
    [hit] = read(database, search_reads.find_ids, read_wanted(IDS[0]).ids, None, 10)
    assert hit == Hit(Kind.EVENT, IDS[0], "team_1", "a.b", NOW)


def bodies(chance: random.Random, count: int) -> list[bytes]:
    texts = ("caf\u00e9", "caf\\u00e9", "tea", "100%", "1000", 'say \\"tea\\"')
    return [b'{"data":{"a":"%s"}}' % chance.choice(texts).encode() for _ in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_all_pages_together_hold_exactly_the_events_that_match(database: AnyDatabase, seed: int) -> None:
    chance = random.Random(seed)
    found(database)
    made = bodies(chance, 30)
    teams = [chance.choice([1, 1, 2]) for _ in made]
    for number, (body, team) in enumerate(zip(made, teams, strict=True)):
        run(database, with_event(accepting(number, team=team, at=NOW + number), body=body))
    for text, forms in (("café", ("café", "caf\\u00e9")), ("100%", ("100%",)), ('"tea"', ('\\"tea\\"', '"tea"'))):
        since, until = chance.choice([(None, None), (NOW + 5, NOW + 20)])
        first, last = (since or NOW) - NOW, (until or NOW + 30) - NOW
        expected = [
            f"evt_{number}"
            for number, body in reversed(list(enumerate(made)))
            if teams[number] == 1 and first <= number <= last and any(form.encode() in body for form in forms)
        ]
        limits = {
            "limit": chance.randint(1, 4),
            "look_at": chance.randint(1, 9),
            "most_bytes": chance.choice([1, 90, 10**6]),
        }
        hits, cursor, pages = list[str](), None, 0
        while pages == 0 or cursor is not None:
            with database.reading.connect() as connection:
                page = search_reads.find_in_payloads(
                    connection, read_wanted(text), "team_1", before=cursor, since=since, until=until, **limits
                )
            hits += [hit.id for hit in page.hits]
            assert page.looked_at <= limits["look_at"]
            assert cursor is None or page.next_cursor is None or page.next_cursor < cursor
            cursor, pages = page.next_cursor, pages + 1
        assert hits == expected, (text, limits)


def test_a_page_tells_how_far_it_looked(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(10))
    with database.reading.connect() as connection:
        page = search_reads.find_in_payloads(connection, read_wanted("none"), "team_1", limit=5, look_at=4)
        nothing = search_reads.find_in_payloads(connection, read_wanted("none"), "team_9", limit=5, look_at=4)
    assert (page.hits, page.looked_at, page.bytes_looked_at, page.back_to) == ((), 4, 8, NOW)
    assert (nothing.next_cursor, nothing.looked_at, nothing.back_to) == (None, 0, None)
