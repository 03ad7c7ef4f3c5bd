from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.sqlite.database import Database, open_database
from tests.support.statements import share_statements


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = share_statements(open_database(tmp_path / "test.db"))
    yield opened
    opened.close()
