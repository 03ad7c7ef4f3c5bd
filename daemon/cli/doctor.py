"""`kakiyo-webhooks doctor`: is this installation well, and if not, what is to be done?"""

from typing import TYPE_CHECKING, Annotated

import click

from daemon.cli.declared import option
from daemon.cli.exits import ExitCode
from daemon.cli.options import ApiOptions, ConfigFile, StateDir

if TYPE_CHECKING:
    from daemon.doctor.finding import Finding

_SIGNS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}


def doctor(
    config: ConfigFile = None,
    state_dir: StateDir = None,
    full: Annotated[
        bool, option("--full", help="Compare indexes and balances with their tables and ledgers, too.")
    ] = False,
    as_json: Annotated[bool, option("--json", help="Print one JSON object with all checks.")] = False,
) -> None:
    """Check settings, rights, disk, database, clock, DNS, mail and API, and say what to do. 1 if something failed."""
    from daemon.cli.client import connect
    from daemon.cli.output import print_json
    from daemon.cli.settings import read_settings
    from daemon.doctor.examination import examine
    from daemon.doctor.finding import Verdict

    settings = read_settings(config, state_dir)

    def ask_ready() -> str:
        with connect(ApiOptions(None, config, state_dir)) as client:
            client.get("/v1/teams", {"limit": 1})
            client.get("/readyz")
            return client.address

    findings = []
    for finding in examine(settings, ask_ready, full=full):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json({"checks": [_as_json(finding) for finding in findings]})
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise click.exceptions.Exit(ExitCode.REFUSED)


def _print(finding: "Finding") -> None:
    from daemon.cli.output import print_line

    print_line(f"{_SIGNS[finding.verdict]} {finding.check}: {finding.message}")
    if finding.advice:
        print_line(f"    {finding.advice}")


def _as_json(finding: "Finding") -> dict[str, str]:
    return {
        "name": finding.check,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "advice": finding.advice,
    }
