from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import DaemonHouse, make_house
from tests.support.tls import TestAuthority, make_authority

MakeHouse = Callable[..., DaemonHouse]


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[MakeHouse]:
    """Make houses for daemons: each setting's section is a keyword."""
    made: list[DaemonHouse] = []

    def make(*, dev: bool = True, **sections: dict[str, Any]) -> DaemonHouse:
        directory = tmp_path / f"house{len(made)}"
        directory.mkdir()
        made.append(make_house(directory, sections, dev=dev))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(new_house: MakeHouse) -> DaemonHouse:
    return new_house()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))
