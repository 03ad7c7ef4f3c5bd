"""The locked requirements: what is installed is what was locked, to the byte, and docs/dependencies.md tells of it.

Whether a locked version has a known vulnerability is asked by `make audit`, where the network allows it.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

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


def table(heading: str) -> list[list[str]]:
    """Return the cells of the packages' table in this section of docs/dependencies.md, row by row."""
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def locked_versions(name: str) -> list[str]:
    """Return the locked versions of a package: several where they depend on the Python version."""
    return [pin.version for locked in LOCK if locked.requirement.name == name for pin in locked.requirement.specifier]


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
        *(each for each in PROJECT["dependency-groups"]["dev"] if isinstance(each, str)),
        *PROJECT["project"]["optional-dependencies"]["opentelemetry"],
        *PROJECT["build-system"]["requires"],
    ]
    for each in map(Requirement, asked):
        versions = locked_versions(each.name)
        assert any(each.specifier.contains(version, prereleases=True) for version in versions), each


def test_setting_up_checks_the_hashes() -> None:
    installs = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if "--requirement requirements.txt" in line
    ]
    assert installs
    assert all("--require-hashes" in line for line in installs)


# docs/dependencies.md


def test_the_page_lists_what_the_daemon_needs_to_run_with_the_locked_versions() -> None:
    asked = {Requirement(each).name for each in PROJECT["project"]["dependencies"]}
    listed = [(*quoted(package), quoted(locked)) for package, locked, *_ in table("At run time")]
    assert sorted(listed) == sorted((name, locked_versions(name)) for name in asked)


def test_the_page_names_the_licence_that_each_package_names_itself() -> None:
    for package, _locked, licence, why in table("At run time"):
        told = metadata(*quoted(package))
        named = told.get_all("License-Expression") or told.get_all("License") or [licence]  # Jinja names none
        assert [licence] == named, package
        assert why


def test_no_locked_version_is_older_than_the_fix_of_an_advisory_on_the_page() -> None:
    advisories = table("What was found on 2026-11-23")
    assert advisories
    for package, advisory, fixed in advisories:
        [name], [fix] = quoted(package), quoted(fixed)
        assert locked_versions(name), name
        assert all(Version(each) >= Version(fix) for each in locked_versions(name)), advisory
