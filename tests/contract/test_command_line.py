"""Which commands there are, and what `--dev` says (contract "Command line")."""

from pathlib import Path

from tests.contract.command_line import commands
from tests.support.process import daemon_process, make_installation


def test_the_commands_of_the_contract_are_all_there() -> None:
    names = {name.split()[0] for name, _ in commands() if name}
    alone = {"serve", "demo", "check-config", "logs", "listen"}
    assert names >= alone | {"teams", "keys", "webhooks", "events", "deliveries", "credits"}


def test_serving_takes_a_configuration_file_and_the_dev_flag() -> None:
    serve = dict(commands())["serve"]
    assert {"--config", "--dev"} <= {option for parameter in serve.params for option in parameter.opts}


async def test_dev_is_said_loudly_at_the_start_and_only_with_dev(tmp_path: Path) -> None:
    for dev in (True, False):
        directory = tmp_path / str(dev)
        directory.mkdir()
        installation = make_installation(directory, dev=dev)
        try:
            async with daemon_process(installation) as daemon:
                pass
        finally:
            installation.close()
        assert [line["level"] for line in daemon.log_lines("dev_mode")] == ["warning"] * dev
