"""What is built, locked and installed (pyproject.toml, requirements.txt)."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from importlib.metadata import distributions, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from daemon import __version__
from tests.docs.sources import ROOT
from tests.support.programs import plain_environment

NAME = "kakiyo-webhooks"
TOP_LEVEL = {"daemon", "api"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKED = (ROOT / "requirements.txt").read_text("utf-8")
DEV = [wanted for wanted in PROJECT["dependency-groups"]["dev"] if isinstance(wanted, str)]
PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+?)(?: ; [^\\]+?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})*)\n")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built from this tree with what is installed and nothing from the network."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    ended = subprocess.run(build, cwd=ROOT, env=plain_environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    [file] = directory.glob("*.whl")
    return ZipFile(file)


def metadata(wheel: ZipFile) -> Message:
    return message_from_bytes(wheel.read(f"kakiyo_webhooks-{__version__}.dist-info/METADATA"))


def in_tree() -> Iterator[str]:
    """Yield every file of our packages, but for what Python makes of them."""
    for top in TOP_LEVEL:
        for file in (ROOT / top).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(ROOT).as_posix()


def pins() -> dict[str, list[str]]:
    """Return the locked versions by name: several where they depend on the Python version."""
    found: dict[str, list[str]] = {}
    for name, pinned, _hashes in PIN.findall(LOCKED):
        found.setdefault(canonicalize_name(name), []).append(pinned)
    return found


# the wheel


def test_the_wheel_holds_all_of_our_packages_and_nothing_else(wheel: ZipFile) -> None:
    info = f"kakiyo_webhooks-{__version__}.dist-info/"
    assert {name for name in wheel.namelist() if not name.startswith(info)} == set(in_tree())


def test_the_wheel_holds_what_is_no_python_code(wheel: ZipFile) -> None:
    held = {Path(name).suffix for name in wheel.namelist()}
    assert {".mako", ".txt", ".html", ".typed"} <= held
    assert any(re.fullmatch(r"daemon/store/migrations/versions/\w+\.py", name) for name in wheel.namelist())


def test_the_wheel_cannot_be_uploaded_by_mistake(wheel: ZipFile) -> None:
    assert "Private :: Do Not Upload" in metadata(wheel).get_all("Classifier", [])


def test_there_is_one_version(wheel: ZipFile) -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert (metadata(wheel)["Version"], version(NAME), released[0]) == (__version__, __version__, __version__)


# who else has these names


def test_no_dependency_ships_modules_with_our_names() -> None:
    # The names are common; another distribution's `daemon` would be overwritten, or would overwrite ours.
    others = [
        f"{distribution.name}: {file}"
        for distribution in distributions()
        if canonicalize_name(distribution.name) != NAME
        for file in distribution.files or ()
        if file.parts[0].removesuffix(".py") in TOP_LEVEL
    ]
    assert not others


# what is locked


def test_every_line_of_the_lock_is_a_pin_with_hashes() -> None:
    assert not [name for name, _, hashes in PIN.findall(LOCKED) if not hashes]
    rest = [line for line in PIN.sub("", LOCKED).splitlines() if line and not line.lstrip().startswith("#")]
    assert not rest


def test_the_lock_names_no_index() -> None:
    assert "://" not in LOCKED
    assert "index" not in re.sub(r"^\S+==.*$|^ +# via .*$", "", LOCKED, flags=re.MULTILINE)


@pytest.mark.parametrize("wanted", [*PROJECT["project"]["dependencies"], *DEV])
def test_every_dependency_is_locked_at_a_version_that_it_allows(wanted: str) -> None:
    requirement = Requirement(wanted)
    locked = pins().get(canonicalize_name(requirement.name), [])
    assert [pinned for pinned in locked if requirement.specifier.contains(pinned, prereleases=True)]


def test_what_builds_the_wheel_is_locked_too() -> None:
    for wanted in PROJECT["build-system"]["requires"]:
        requirement = Requirement(wanted)
        assert set(pins()[canonicalize_name(requirement.name)]) == {str(requirement.specifier).removeprefix("==")}


# what a server gets


def test_a_server_gets_what_is_locked_for_the_tests_and_nothing_else() -> None:
    on_server = PIN.findall((ROOT / "systemd/requirements.txt").read_text("utf-8"))
    assert set(on_server) <= set(PIN.findall(LOCKED))
    names = {canonicalize_name(name) for name, *_ in on_server}
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]
    assert {canonicalize_name(Requirement(one).name) for one in wanted} <= names
    assert not names & {"pytest", "ruff", "mypy", "playwright"}
