"""`kakiyo-webhooks serve` and `check-config`: running the daemon, and checking its settings first."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import click

from daemon.cli.declared import option
from daemon.cli.options import ConfigFile, StateDir

_Bind = Annotated[
    str | None,
    option("--bind", metavar="ADDRESS", help='Where the API listens: "host:port", "unix:/path" or "fd://number".'),
]
_Dev = Annotated[bool, option("--dev", help="Allow http receivers, and such on loopback and private addresses.")]


def serve(config: ConfigFile = None, dev: _Dev = False, bind: _Bind = None, state_dir: StateDir = None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    from daemon.cli.settings import read_settings, settings_reader

    settings = read_settings(config, state_dir, bind=bind, dev=dev)
    with _rich_not_importable():
        from daemon.app import serve as run  # only now: a mistake in the settings is reported sooner

    raise click.exceptions.Exit(run(settings, settings_reader(config, state_dir, bind=bind, dev=dev)))


@contextmanager
def _rich_not_importable() -> Iterator[None]:
    """Have imports of Rich and Pygments fail, as when they are not installed, which structlog and httpx cope with.

    Both import them if they can, for output that a daemon never prints, and neither has a switch for it. The 66 modules
    are 7 % of the CPU time of a start.
    """
    hidden = [name for name in ("rich", "pygments") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # with None, an import raises ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def check_config(
    config: ConfigFile = None,
    dev: _Dev = False,
    bind: _Bind = None,
    state_dir: StateDir = None,
    as_json: Annotated[bool, option("--json", help="Print the settings as JSON.")] = False,
) -> None:
    """Print the settings in effect, or what is wrong with them."""
    from daemon.cli.output import print_json, print_line
    from daemon.cli.settings import read_settings, require_store_settings

    # Nothing of this is secret: passwords and keys are in files that the settings name, or are left out of a URL.
    settings = read_settings(config, state_dir, bind=bind, dev=dev)
    require_store_settings(settings)
    effective = settings.model_copy(update={"egress": settings.effective_egress})
    shown = effective.model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(shown)
        return
    for line in _lines(shown):
        print_line(line)
    print_line("The settings are ok.")


def _lines(settings: dict[str, Any], within: str = "") -> list[str]:
    lines = []
    for name, value in settings.items():
        lines += (
            _lines(value, f"{within}{name}.") if isinstance(value, dict) else [f"{within}{name} = {json.dumps(value)}"]
        )
    return lines
