"""The trees whose daemons are measured: this one, and another revision of it for `--against`."""

import os
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import trio
from packaging.requirements import Requirement

from tests.support.process import REPOSITORY, clean_environment

_PACKAGE = "import daemon; print(daemon.__path__[0])"


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of the repository, and the interpreter that runs its daemon. Only its public surface is relied on."""

    name: str
    directory: Path
    python: str


THIS_TREE = Tree("this tree", REPOSITORY, sys.executable)


class RevisionError(Exception):
    """A revision cannot be measured; the message says why, and what to do."""


async def check_out(revision: str, directory: Path) -> Tree:
    """Write the tree of a revision into an empty directory, and find or make its interpreter.

    It is an export: git keeps no note of it, so that with the directory all of it is gone. Raises RevisionError.
    """
    tree, archive = directory / "tree", directory / "tree.tar"
    await _git_archive(revision, archive)
    await trio.to_thread.run_sync(_unpack, archive, tree)
    locked = (tree / "requirements.txt").read_text("utf-8").splitlines()
    python = await _make_environment(tree) if missing_requirements(locked) else sys.executable
    checked_out = Tree(revision, tree, python)
    await _require_own_daemon(checked_out)
    return checked_out


def missing_requirements(locked: Iterable[str]) -> list[str]:
    """Return the lines `name==version` of a lock file, for this platform, that are not installed here."""
    pinned = [Requirement(line.removesuffix("\\").strip()) for line in locked if "==" in line and line[0].isalnum()]
    wanted = [requirement for requirement in pinned if requirement.marker is None or requirement.marker.evaluate()]
    return [f"{one.name}{one.specifier}" for one in wanted if not one.specifier.contains(_installed(one.name), True)]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"


async def _git_archive(revision: str, archive: Path) -> None:
    command = ["git", "-C", str(REPOSITORY), "archive", "--output", str(archive), f"{revision}^{{commit}}"]
    done = await trio.run_process(command, check=False, capture_stderr=True)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RevisionError(f"git has no revision {revision!r} ({said}): name a commit, a tag or a branch.")


def _unpack(archive: Path, tree: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(tree, filter="tar")  # our own: a link in it may lead anywhere
    archive.unlink()


async def _make_environment(tree: Path) -> str:
    """Make the revision's own .venv by its own Makefile: it locks what is not installed here."""
    command = ["make", "-C", str(tree), f"PYTHON={sys.executable}", ".venv/.installed"]
    # A make that runs us has its own flags in the environment, which are not this one's.
    done = await trio.run_process(
        command, check=False, capture_stdout=True, capture_stderr=True, env={**os.environ, "MAKEFLAGS": ""}
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RevisionError(f"its packages could not be installed: look whether the network is there.\n{said}")
    return str(tree / ".venv" / "bin" / "python")


async def _require_own_daemon(tree: Tree) -> None:
    """Refuse to measure this tree's daemon in the name of the other."""
    done = await trio.run_process(
        [tree.python, "-c", _PACKAGE], capture_stdout=True, env=clean_environment({}), cwd=tree.directory
    )
    found = Path(done.stdout.decode().strip())
    if found.parent.resolve() != tree.directory.resolve():
        raise RevisionError(f"the daemon of {tree.name} would come from {found}: unset PYTHONPATH.")
