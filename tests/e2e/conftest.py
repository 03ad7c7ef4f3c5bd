from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import Installation, make_installation
from tests.support.tls import TestAuthority, make_authority

MakeInstallation = Callable[..., Installation]


@pytest.fixture
def new_installation(tmp_path: Path) -> Iterator[MakeInstallation]:
    """Make installations: each setting's section is a keyword."""
    made: list[Installation] = []

    def make(*, dev: bool = True, **sections: dict[str, Any]) -> Installation:
        directory = tmp_path / f"installation{len(made)}"
        directory.mkdir()
        made.append(make_installation(directory, sections, dev=dev))
        return made[-1]

    yield make
    for installation in made:
        installation.close()


@pytest.fixture
def installation(new_installation: MakeInstallation) -> Installation:
    return new_installation()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))
