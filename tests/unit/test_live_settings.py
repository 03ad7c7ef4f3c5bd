"""What SIGHUP changes: some settings at once, the rest with a restart."""

from pathlib import Path
from typing import Any

import pytest

from daemon.config.reload import RELOADABLE, fixed
from daemon.config.settings import Settings

STATE = Path("/nowhere")


def settings(**sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": STATE, **sections})


def test_what_can_change_is_in_effect_and_the_rest_is_named() -> None:
    live = fixed(settings())
    read = settings(
        log={"level": "debug"}, retention={"days": 7}, smtp={"host": "mail.example.com", "from": "a@b.example"},
        api={"rate_limit_per_s": 5, "bind": "127.0.0.1:1"}, delivery={"timeout_s": 3}, public_url="https://x.example",
    )  # fmt: skip
    changed, need_restart = live.take_over(read)
    assert changed == ["api.rate_limit_per_s", "smtp.host", "smtp.from", "log.level", "retention.days"]
    assert need_restart == ["public_url", "api.bind", "delivery.timeout_s"]
    assert (live.now.log.level, live.now.retention.days, live.now.smtp.host) == ("debug", 7, "mail.example.com")
    assert live.now.api.rate_limit_per_s == 5
    assert live.now.api.bind == settings().api.bind
    assert live.now.delivery == settings().delivery


def test_nothing_changed_is_nothing_changed() -> None:
    live = fixed(settings())
    assert live.take_over(settings()) == ([], [])
    assert live.now == settings()


@pytest.mark.parametrize("name", RELOADABLE)
def test_what_can_change_is_a_setting(name: str) -> None:
    section, _, setting = name.partition(".")
    tree = settings().model_dump(by_alias=True)
    assert section in tree
    assert not setting or setting in tree[section]
