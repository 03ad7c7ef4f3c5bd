from daemon.domain.readable_json import readable_json


def test_json_gets_line_breaks_and_other_text_stays() -> None:
    assert readable_json(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert readable_json(b"plain \xff") == "plain \ufffd"


def test_each_value_stays_as_it_is_written() -> None:
    assert readable_json(b'{"a":1.50,"a":1e999}') == '{\n  "a": 1.50,\n  "a": 1e999\n}'


def test_json_nested_too_deeply_for_a_parser_stays() -> None:
    assert readable_json(b"[" * 100_000) == "[" * 100_000
