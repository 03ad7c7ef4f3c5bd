"""`make install` again, and `make uninstall`: what the operator has made stays."""

import os
import shutil
from pathlib import Path

from tests.systemd.conftest import CONFIG, REPOSITORY, SOCKET, on_unix_socket
from tests.systemd.machine import Machine, booted

UNITS = "/usr/local/lib/systemd/system"
OVERRIDE = "/etc/systemd/system/kakiyo-webhooks.service.d/mine.conf"
KEYS = "/etc/kakiyo-webhooks/credentials"
PYTHON = "/usr/local/bin/python3-of-the-test"
# The first installation has shown that a venv is made and its packages are fetched. This one is given them: its pip
# finds them there, and installs the program alone.
PYTHON_WITH_PREPARED_VENV = """\
#!/bin/sh -e
[ "$1 $2" = "-m venv" ] || exec /usr/bin/python3 "$@"
before=$(readlink /opt/kakiyo-webhooks/current)
cp -a "$before" "$3"
"$3/bin/python3" -m pip --disable-pip-version-check uninstall --quiet --yes kakiyo-webhooks
grep -rlIZ "$before" "$3/bin" "$3/pyvenv.cfg" | xargs -0 sed -i "s#$before#$3#g"
"""


def made_by_the_operator(machine: Machine) -> str:
    """Return all that the operator has written or been given, and what the daemon knows."""
    files = machine.run("sha256sum", CONFIG, OVERRIDE, f"{KEYS}/operator-key", f"{KEYS}/encryption-key")
    return files + machine.run("kakiyo-webhooks", "teams", "list")


def test_installing_again_upgrades_and_uninstalling_leaves_what_is_the_operators(
    machines: Path, installed: Path
) -> None:
    base = machines / f"{os.getpid()}-upgrade"
    try:
        with booted(base, [installed], own_network=False) as machine, on_unix_socket(machine):
            _upgrade_and_remove(machine)
    finally:
        shutil.rmtree(base)


def _upgrade_and_remove(machine: Machine) -> None:
    machine.write(OVERRIDE, "[Service]\nEnvironment=MINE=1\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "stop", "kakiyo-webhooks.service", "kakiyo-webhooks.socket")
    machine.run("systemctl", "start", "kakiyo-webhooks.socket", "kakiyo-webhooks.service")
    machine.run("kakiyo-webhooks", "teams", "create", "--id", "acme", "--name", "Acme")
    before, release = made_by_the_operator(machine), machine.run("readlink", "/opt/kakiyo-webhooks/current")
    socket = machine.run("stat", "--format=%i", SOCKET)

    machine.write(PYTHON, PYTHON_WITH_PREPARED_VENV)
    machine.run("chmod", "755", PYTHON)
    said = machine.run("make", "-C", str(REPOSITORY), "install", f"PYTHON={PYTHON}")
    assert "Kakiyo Webhooks runs" in said
    assert made_by_the_operator(machine) == before
    upgraded = machine.run("readlink", "/opt/kakiyo-webhooks/current")
    assert upgraded != release
    assert machine.run("ls", "/opt/kakiyo-webhooks/releases").count("\n") == 2, "the one before is there to go back to"
    pid = machine.show("kakiyo-webhooks.service", "MainPID")
    assert upgraded.strip() in machine.run("cat", f"/proc/{pid}/cmdline").replace("\0", " ")
    assert machine.run("stat", "--format=%i", SOCKET) == socket, "it was open all the while"

    machine.run("make", "-C", str(REPOSITORY), "uninstall")
    for gone in ("/opt/kakiyo-webhooks", f"{UNITS}/kakiyo-webhooks.service", "/usr/local/bin/kakiyo-webhooks"):
        assert machine.run("sh", "-c", f"test ! -e {gone}") == ""
    for kept in (CONFIG, KEYS, "/var/lib/private/kakiyo-webhooks/kakiyo-webhooks.db"):
        assert machine.run("test", "-e", kept) == ""


def test_installing_without_root_is_refused_in_a_sentence(machine: Machine) -> None:
    machine.run("install", "-D", str(REPOSITORY / "systemd/install"), "/srv/systemd/install")
    said = machine.run(
        "setpriv", "--reuid=65534", "--clear-groups", "--regid=65534", "/srv/systemd/install", check=False
    )
    assert said == "This changes the system: run it as root.\n"
