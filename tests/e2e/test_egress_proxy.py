"""A real daemon whose deliveries go out through a real proxy (contract "The way out")."""

from pathlib import Path

import pytest

from daemon.egress.proxy import ProxyScheme
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.egress.proxies import HOST, PASSWORD, USER, free_port, open_real_proxy
from tests.support.receivers import open_receiver


@pytest.mark.fault(
    "The operator's proxy ends, and is started again",
    "Deliveries wait meanwhile; none fails or is counted because of it, and all arrive in order",
)
@pytest.mark.parametrize("scheme", ["http", "socks5"])
@ends_within(60)
async def test_all_deliveries_go_through_the_proxy_of_the_settings_and_wait_while_it_is_down(
    new_installation: MakeInstallation, tmp_path: Path, scheme: ProxyScheme
) -> None:
    port = await free_port()
    (tmp_path / "proxy-password").write_text(f"{PASSWORD}\n")
    egress = {"proxy": f"{scheme}://{USER}@{HOST}:{port}", "proxy_password_file": str(tmp_path / "proxy-password")}
    installation = new_installation(egress=egress)
    async with open_receiver() as receiver, operated(installation) as operator:
        await operator.make_team("acme")
        await operator.make_webhook(receiver.url, team_id="acme")
        await operator.submit(0, team_id="acme")
        await operator.daemon.logged("egress_proxy_down")
        assert receiver.connections == 0
        async with open_real_proxy(scheme, tmp_path, port=port):
            await operator.submit(1, team_id="acme")
            await receiver.received(2)
            await operator.daemon.logged("egress_proxy_up")
        ended = operator.daemon.log_lines("attempt_ended")
        assert {line["outcome"] for line in ended} <= {"delivered", "interrupted"}
        assert PASSWORD not in str(operator.daemon.stderr)
        metrics = (await operator.http.get("/metrics")).text
        assert "\nkakiyo_webhooks_egress_proxy_up " in metrics
