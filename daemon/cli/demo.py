"""`kakiyo-webhooks demo`: see it work."""

import gc

import click


def demo() -> None:
    """Run a daemon with three local receivers for half a minute, and check that it keeps its promises."""
    import trio

    from daemon.demo.run import run_demo

    gc.enable()
    raise click.exceptions.Exit(trio.run(run_demo))
