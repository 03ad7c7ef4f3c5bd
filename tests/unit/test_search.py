"""What a text asks for, and which payloads have it."""

import pytest

from daemon.domain.search import Ids, Kind, must_be_read, read_wanted, value_matches

WHOLE = "evt_01k0a3bq5t8v2x4z6c8e0g2j4m"
BODY = '{"event":"a.b","teamId":"t","timestamp":"x","data":%s}'


def found(text: str, data: str) -> bool:
    wanted, body = read_wanted(text), (BODY % data).encode()
    assert wanted.needle in body or wanted.escape in body or wanted.path or not value_matches(wanted, body)
    return value_matches(wanted, body) if must_be_read(wanted, body) else wanted.needle in body


def test_an_id_or_its_beginning_is_a_range_of_ids() -> None:
    [whole] = read_wanted(WHOLE).ids
    assert (whole, whole.is_whole, read_wanted(WHOLE).is_whole_id) == (Ids(Kind.EVENT, WHOLE, WHOLE), True, True)
    [beginning] = read_wanted("dlv_01k0a3").ids
    assert beginning.kind is Kind.DELIVERY
    assert beginning.first < "dlv_01k0a3bq5t8v2x4z6c8e0g2j4m" < beginning.last
    assert [ids.kind for ids in read_wanted("01k0a3bq").ids] == [Kind.EVENT, Kind.DELIVERY, Kind.WEBHOOK]
    for text in ("evt_01k", "evt_", "hello, you", "EVT_01K0A3BQ", "evt_%%%%%%"):
        assert read_wanted(text).ids == ()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("hello", '{"a":"say hello"}'),
        ("é", '{"a":"caf\\u00e9"}'),
        ("é", '{"a":"café"}'),
        ('say "hi"', r'{"a":"say \"hi\""}'),
        ('say "hi"', r'{"a":"say \u0022hi\u0022"}'),
        ("a/b", r'{"a":"a\/b"}'),
        ("plain", '{"a":"\\u0070l\\u0061in"}'),
        ("C:\\x", r'{"a":"C:\\x"}'),
        ("😀", r'{"a":"\ud83d\ude00"}'),
        ("two\nlines", r'{"a":"two\nlines"}'),
        (r"caf\u00e9", r'{"a":"caf\u00e9"}'),
        ('"n":10.00', '{"n":10.00}'),
        ("1e400", r'{"n":1e400,"a":"\n"}'),
        ("9" * 50, r'{"n":%s,"a":"\n"}' % ("9" * 5_000)),
        ("100%_", '{"a":"100%_sure"}'),
        ("deep", '{"a":' * 240 + r'"\ndeep"' + "}" * 240),
    ],
)
def test_a_text_is_found_whichever_characters_were_escaped(text: str, data: str) -> None:
    assert found(text, data)


@pytest.mark.parametrize(
    ("text", "data"),
    [("hello", '{"a":"Hello"}'), ("100%", '{"a":"100x"}'), ("a_b", '{"a":"axb"}'), ('a"b', r'{"a":"a\\\"c"}')],
)
def test_a_text_is_taken_literally(text: str, data: str) -> None:
    assert not found(text, data)


@pytest.mark.parametrize(
    ("text", "data", "is_found"),
    [
        ("data.user.name=Ann", '{"user":{"name":"Ann"}}', True),
        ("data.user.name=Ann", '{"user":{"name":"Anna"}}', False),
        ("data.user.name=Ann", '{"other":{"name":"Ann"}}', False),
        ("data.user.name=Ann", '{"user":"Ann"}', False),
        ("data.ids.1=b", '{"ids":["a","b"]}', True),
        ("data.ids.7=b", '{"ids":["a","b"]}', False),
        ("data.ids.²=b", '{"ids":["a","b"]}', False),
        ("data.price=10.00", '{"price":10.00}', True),
        ("data.price=10", '{"price":10.00}', False),
        ("data.on=true", '{"on":true}', True),
        ("data.on=null", '{"on":null}', True),
        ("data.on={}", '{"on":{}}', False),
        ("data.name=é=1", '{"name":"\\u00e9=1"}', True),
        ("data.a b=1", '{"a b":1}', False),
    ],
)
def test_a_field_is_found_by_its_path_and_its_whole_value(text: str, data: str, is_found: bool) -> None:
    assert found(text, data) is is_found
