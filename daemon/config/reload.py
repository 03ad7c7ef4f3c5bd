"""Settings that may change while the daemon runs: SIGHUP has the configuration read again (`systemctl reload`)."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio
from structlog.typing import FilteringBoundLogger

from daemon.config.settings import ConfigError, Settings

# What is read each time it is used; all else is built into what runs. A section stands for all that is in it.
RELOADABLE = (
    "api.operator_rate_limit_per_s",
    "api.rate_limit_burst",
    "api.rate_limit_per_s",
    "api.webhooks_per_team",
    "log.level",
    "retention",
    "smtp",
)


@dataclass(slots=True)
class LiveSettings:
    """The settings in effect, and `reread`, which reads them again (or raises ConfigError)."""

    now: Settings
    reread: Callable[[], Settings]

    def take_over(self, read: Settings) -> tuple[list[str], list[str]]:
        """Put into effect what can be. Return the names of the settings that changed: now, and with a restart only."""
        changed = list(_differences(self.now.model_dump(by_alias=True), read.model_dump(by_alias=True)))
        taken = [name for name in changed if _is_reloadable(name)]
        self.now = self.now.model_copy(
            update={
                "api": self.now.api.model_copy(
                    update={
                        "rate_limit_per_s": read.api.rate_limit_per_s,
                        "rate_limit_burst": read.api.rate_limit_burst,
                        "operator_rate_limit_per_s": read.api.operator_rate_limit_per_s,
                        "webhooks_per_team": read.api.webhooks_per_team,
                    }
                ),
                "log": self.now.log.model_copy(update={"level": read.log.level}),
                "retention": read.retention,
                "smtp": read.smtp,
            }
        )
        return taken, [name for name in changed if name not in taken]


async def reload_on_hangup(live: LiveSettings, log: FilteringBoundLogger) -> None:
    """Read the settings again at each SIGHUP, until cancelled. Wrong ones change nothing.

    One that came while the daemon started was blocked (`daemon.cli`), as one is that comes while it stops: neither
    ends it.
    """
    with trio.open_signal_receiver(signal.SIGHUP) as signals, _let_in(signal.SIGHUP):
        async for _ in signals:
            await _reload(live, log)


@contextmanager
def _let_in(number: signal.Signals) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _reload(live: LiveSettings, log: FilteringBoundLogger) -> None:
    try:
        read = await trio.to_thread.run_sync(live.reread)
    except ConfigError as refusal:
        log.error("settings_reload_failed", error=str(refusal))
        return
    changed, need_restart = live.take_over(read)
    log.info("settings_reloaded", changed=changed, needRestart=need_restart)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for name, value in after.items():
        if isinstance(value, dict) and isinstance(before[name], dict):
            yield from _differences(before[name], value, f"{within}{name}.")
        elif value != before[name]:
            yield within + name


def _is_reloadable(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in RELOADABLE)


def fixed(settings: Settings) -> LiveSettings:
    """Return settings that stay as they are."""
    return LiveSettings(settings, partial(_same, settings))


def _same(settings: Settings) -> Settings:
    return settings
