"""SIGHUP: a real daemon reads its configuration again, and goes on delivering."""

import signal

import pytest

from tests.e2e.conftest import MakeInstallation
from tests.e2e.operating import operated


@pytest.mark.fault(
    "A SIGHUP while the configuration file is no TOML, nested 5,000 deep, or holds a number of 5,000 digits",
    "A line in the log says so, nothing changes, and the daemon goes on",
)
async def test_a_hangup_applies_new_settings_and_a_mistake_changes_nothing(
    new_installation: MakeInstallation,
) -> None:
    installation = new_installation(log={"level": "info"})
    async with operated(installation) as operator:
        daemon = operator.daemon
        installation.config.write_text('[log]\nlevel = "loud"\n')
        daemon.signal(signal.SIGHUP)
        [refused] = await daemon.logged("settings_reload_failed")
        assert "log.level" in refused["error"]
        for count, text in enumerate(("x = " + "[" * 5_000, "x = " + "9" * 5_000, "\0"), start=2):
            installation.config.write_text(text)
            daemon.signal(signal.SIGHUP)
            await daemon.logged("settings_reload_failed", count=count)
        installation.config.write_text(
            '[log]\nlevel = "debug"\n[api]\nrate_limit_per_s = 1\n[delivery]\ntimeout_s = 3\n'
        )
        daemon.signal(signal.SIGHUP)
        [reloaded] = await daemon.logged("settings_reloaded")
        assert reloaded["changed"] == ["api.rate_limit_per_s", "log.level"]
        assert reloaded["needRestart"] == ["delivery.timeout_s"]
        operator.http.headers["Authorization"] = "Bearer wrong"
        await operator.call("GET", "/v1/teams", expect=401)
        assert await daemon.logged("request_refused"), "debug lines are logged from now on"
