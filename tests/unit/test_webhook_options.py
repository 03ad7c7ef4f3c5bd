"""How the options of a webhook are kept, and what is sealed in them."""

import pytest

from daemon.domain.retries import Jitter, NamedSchedule
from daemon.domain.webhook_options import (
    DEFAULT_OPTIONS,
    WebhookOptions,
    are_options,
    options_from_text,
    options_to_text,
    replace_sealed,
    with_changed,
)

CHOSEN = WebhookOptions(timeout_s=2.5)
RETRIES = WebhookOptions(retry_schedule=(5.0, 60.5), retry_jitter=Jitter.FULL, retry_after=True, disable_on_gone=True)


def test_nothing_is_kept_of_options_that_are_as_usual() -> None:
    assert options_to_text(WebhookOptions()) is None
    assert options_from_text(None) is DEFAULT_OPTIONS


def test_options_are_kept_by_their_names_in_the_api_and_read_back() -> None:
    text = options_to_text(CHOSEN)
    assert text == '{"timeoutS":2.5}'
    assert options_from_text(text) == CHOSEN
    for options in (RETRIES, WebhookOptions(retry_schedule=NamedSchedule.STANDARD), WebhookOptions(retry_schedule=())):
        assert options_from_text(options_to_text(options)) == options


@pytest.mark.parametrize("text", ["", "[]", "{", '{"timeoutS":"x"}'])
def test_what_is_never_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        options_from_text(text)


def test_a_json_value_that_does_not_fit_is_told_from_options() -> None:
    assert are_options({"timeoutS": 3})
    assert not are_options({"timeoutS": "x"})
    assert not are_options([])


def test_only_the_options_that_are_named_change() -> None:
    assert with_changed(CHOSEN, DEFAULT_OPTIONS, ()) == CHOSEN
    assert with_changed(CHOSEN, DEFAULT_OPTIONS, ("timeout_s",)) == DEFAULT_OPTIONS


def test_what_is_sealed_is_found_wherever_it_is() -> None:
    value = {"a": [{"b": {"sealed": "v1.x"}}, {"sealed": "kept", "beside": 1}], "c": "d"}
    shown = {"a": [{"b": "V1.X"}, {"sealed": "kept", "beside": 1}], "c": "d"}
    assert replace_sealed(value, str.upper) == shown
