"""Texts of others are cut to a page's room, whatever they are made of."""

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from api.console.rendering.excerpts import excerpt


@given(st.text(), st.integers(0, 60))
def test_an_excerpt_takes_no_more_room_than_it_has_and_says_what_is_left_out(text: str, room: int) -> None:
    cut = excerpt(text, room)
    assert len(str(escape(cut.text)).encode("utf-8", "replace")) <= room
    assert text.startswith(cut.text)
    assert len(cut.text) + cut.left_out == len(text)


def test_what_fits_is_whole() -> None:
    assert excerpt("<&>", 100) == excerpt("<&>", len("&lt;&amp;&gt;"))
    assert excerpt("<&>", 100).left_out == 0
