"""The locked requirements: what is installed is what was locked, to the byte.

Whether a locked version has a known vulnerability is asked by `make audit`, where the network allows it.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Locked:
    """One requirement of the lock file, with its hashes."""

    requirement: Requirement
    hashes: tuple[str, ...]


def read_lock() -> list[Locked]:
    lines = (ROOT / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [Locked(Requirement(entry.partition("--hash")[0]), tuple(_HASH.findall(entry))) for entry in entries]


LOCK = read_lock()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
name_of = pytest.mark.parametrize("locked", LOCK, ids=lambda locked: str(locked.requirement))


@pytest.mark.fault(
    "A package index serves another file than the one that was locked",
    "The installation stops: every file has its hash",
)
@name_of
def test_every_requirement_is_one_version_with_its_hashes(locked: Locked) -> None:
    [pin] = locked.requirement.specifier
    assert pin.operator == "=="
    assert not pin.version.endswith("*")
    assert locked.hashes


def test_nothing_is_installed_from_a_place_of_its_own() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert all(locked.requirement.url is None for locked in LOCK)
    assert not re.search(r"https?://|git\+|^\s*(-e|-i|-f|--(extra-)?index-url|--find-links|--trusted-host)", text, re.M)


@name_of
def test_what_is_installed_is_what_is_locked(locked: Locked) -> None:
    requirement = locked.requirement
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(version(requirement.name), prereleases=True)


def test_whatever_the_project_asks_for_is_locked() -> None:
    asked = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["dev"],
        *PROJECT["build-system"]["requires"],
    ]
    for each in map(Requirement, asked):
        versions = [
            pin.version for lock in LOCK if lock.requirement.name == each.name for pin in lock.requirement.specifier
        ]
        assert any(each.specifier.contains(version, prereleases=True) for version in versions), each


def test_setting_up_checks_the_hashes() -> None:
    installs = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if "--requirement requirements.txt" in line
    ]
    assert installs
    assert all("--require-hashes" in line for line in installs)
