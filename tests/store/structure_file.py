"""Write what the migrations make into `daemon/store/sqlite/structure.json`: after a new migration, run

.venv/bin/python -m tests.store.structure_file
"""

import json
from pathlib import Path

from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite import structure

FILE = Path(structure.__file__).with_name("structure.json")


def text() -> str:
    """Return what the file has to say, in the order in which the migrations make it."""
    rows = [[*key, sql] for key, sql in structure.migrated_structure(HEAD_REVISION).items()]
    return json.dumps(rows, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
