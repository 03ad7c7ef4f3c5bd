"""The installed service under a real systemd: it starts, stops, restarts, is killed and hangs."""

import json
import re
import time

import pytest

from tests.systemd.guest import Guest
from tests.systemd.machine import Machine

SERVICE, SOCKET = "kakiyo-webhooks.service", "kakiyo-webhooks.socket"
RESTARTS = 10
CLIENTS = 8


def lines(machine: Machine, *matches: str) -> list[dict[str, object]]:
    """Return what the daemon logged."""
    return [json.loads(entry["MESSAGE"]) for entry in machine.journal("_COMM=kakiyo-webhooks", *matches)]


def let_more_be_delivered(guest: Guest, count: int) -> None:
    """Wait until so many more deliveries have arrived."""
    guest.ask("wait_for_deliveries", count=guest.ask("wait_for_deliveries", count=0) + count)


def test_it_starts_with_the_machine_and_is_ready(machine: Machine) -> None:
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.show(SERVICE, "StatusText") == "Listening on 127.0.0.1:8480"
    assert machine.run("systemctl", "is-enabled", SERVICE, SOCKET).split() == ["enabled", "enabled"]
    assert machine.run("kakiyo-webhooks", "teams", "create", "--id", "acme", "--name", "Acme")
    assert "acme" in machine.run("kakiyo-webhooks", "teams", "list")


def test_the_documentation_that_its_unit_names_is_there(machine: Machine) -> None:
    named = machine.show("kakiyo-webhooks.service", "Documentation")
    assert machine.run("head", "-1", named.removeprefix("file://")) == "# Operations\n"


def test_a_delivery_in_flight_is_finished_when_it_is_stopped(guest: Guest) -> None:
    machine = guest.machine
    guest.ask("answer_slowly", seconds=1.5)
    guest.ask("submit")
    assert guest.ask("wait_for_deliveries", count=1) == 1
    machine.run("systemctl", "stop", SERVICE, SOCKET)
    assert machine.show(SERVICE, "Result") == "success"
    assert [line["event"] for line in lines(machine)][-3:] == [
        "daemon_stopping",
        "delivery_succeeded",
        "daemon_stopped",
    ]
    machine.run("systemctl", "start", SOCKET, SERVICE)
    assert guest.ask("end_load")["twice"] == 0


def test_ten_restarts_under_load_refuse_no_client_and_lose_nothing(guest: Guest) -> None:
    machine = guest.machine
    guest.ask("begin_load", clients=CLIENTS)
    for _ in range(RESTARTS):
        let_more_be_delivered(guest, 20)
        machine.run("systemctl", "restart", SERVICE)
    report = guest.ask("end_load")
    print(report)
    assert report["accepted"] > 20 * RESTARTS
    assert (report["failures"], report["lost"], report["twice"]) == ({}, [], 0)


def test_without_the_socket_unit_clients_are_refused_and_still_nothing_is_lost(guest: Guest) -> None:
    machine = guest.machine
    machine.run("systemctl", "stop", SERVICE, SOCKET)
    machine.run("systemctl", "mask", "--runtime", SOCKET)
    machine.run("systemctl", "start", SERVICE)
    guest.ask("begin_load", clients=CLIENTS)
    for _ in range(2):
        let_more_be_delivered(guest, 20)
        machine.run("systemctl", "restart", SERVICE)
    report = guest.ask("end_load")
    print(report)
    assert report["failures"]["ConnectionRefusedError"] > 20
    assert report["lost"] == []


def test_a_kill_under_load_loses_nothing_that_was_accepted(guest: Guest) -> None:
    machine = guest.machine
    guest.ask("begin_load", clients=CLIENTS)
    for _ in range(3):
        let_more_be_delivered(guest, 50)
        machine.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", SERVICE)
    report = guest.ask("end_load")
    print(report)
    assert report["accepted"] > 100
    assert report["lost"] == []
    assert int(machine.show(SERVICE, "NRestarts")) == 3


def test_a_daemon_that_hangs_is_brought_back_by_the_watchdog(guest: Guest) -> None:
    machine = guest.machine
    machine.write(f"/run/systemd/system/{SERVICE}.d/soon.conf", "[Service]\nWatchdogSec=2\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    guest.ask("submit")
    machine.run("systemctl", "kill", "--signal=SIGSTOP", "--kill-whom=main", SERVICE)
    seconds = guest.ask("time_until_answered")
    print(f"answered again after {seconds:.1f} s with WatchdogSec=2")
    assert 0.5 < seconds < 10
    assert machine.show(SERVICE, "NRestarts") == "1"
    [entry] = [entry for entry in machine.journal(f"--unit={SERVICE}") if "atchdog timeout" in entry["MESSAGE"]]
    assert entry["PRIORITY"] == "3"


def test_state_and_user_are_the_same_after_a_restart(machine: Machine) -> None:
    machine.run("kakiyo-webhooks", "teams", "create", "--id", "globex", "--name", "Globex")
    before = machine.run("stat", "--format=%u %a %n", "/var/lib/private/kakiyo-webhooks/kakiyo-webhooks.db")
    machine.run("systemctl", "restart", SERVICE)
    assert "globex" in machine.run("kakiyo-webhooks", "teams", "list")
    assert machine.run("stat", "--format=%u %a %n", "/var/lib/private/kakiyo-webhooks/kakiyo-webhooks.db") == before
    uid, mode, _ = before.split()
    assert 61184 <= int(uid) <= 65519, "a dynamic user's"
    assert mode == "600"
    assert machine.run("stat", "--format=%a", "/var/lib/private/kakiyo-webhooks").strip() == "700"


@pytest.mark.fault(
    "Another user of the machine looks for the service's keys", "No file, environment or log has them for him"
)
def test_credentials_are_for_the_service_only(machine: Machine) -> None:
    key = machine.run("cat", "/etc/kakiyo-webhooks/credentials/operator-key").strip()
    assert len(key) > 40
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for path in ("/etc/kakiyo-webhooks/credentials/operator-key", f"/run/credentials/{SERVICE}/operator-key",
                 "/var/lib/private/kakiyo-webhooks/kakiyo-webhooks.db"):  # fmt: skip
        machine.run("test", "-s", path)
        assert "Permission denied" in machine.run(*nobody, "cat", path, check=False)
    pid = machine.show(SERVICE, "MainPID")
    assert key not in machine.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
    assert key not in json.dumps(machine.journal())
    assert "operator.key" not in machine.run("ls", "/var/lib/private/kakiyo-webhooks"), "it would be a second copy"
    said = machine.run(*nobody, "kakiyo-webhooks", "teams", "list", check=False)
    assert "run this as root" in said


def test_lines_have_fields_and_priorities_in_the_journal_and_tell_of_a_delivery_from_its_submission_on(
    guest: Guest,
) -> None:
    machine = guest.machine
    trace = "0af7651916cd43dd8448eb211c80319c"
    event_id = guest.ask("submit", traceparent=f"00-{trace}-b7ad6b7169203331-01")["id"]
    guest.ask("wait_for_deliveries", count=1)
    [delivery] = guest.ask("look", path=f"/v1/events/{event_id}")["deliveries"]
    follow = ("timeout", "3", "kakiyo-webhooks", "logs", "--follow", "--delivery", delivery["id"], "--json")
    followed = machine.run(*follow, check=False)
    assert [json.loads(line)["event"] for line in followed.splitlines()] == ["event_accepted", "delivery_succeeded"]
    [accepted, succeeded] = machine.journal(f"DELIVERY_ID={delivery['id']}")
    assert (accepted["PRIORITY"], accepted["EVENT_ID"], accepted["TRACE_ID"]) == ("6", event_id, trace)
    assert (succeeded["SYSLOG_IDENTIFIER"], succeeded["OUTCOME"]) == ("kakiyo-webhooks", "delivered")
    assert "delivery_succeeded" in machine.run("kakiyo-webhooks", "logs", "--since", "1m", "--team", "acme")
    assert machine.run("kakiyo-webhooks", "logs", "--level", "error") == ""


def test_what_it_may_do_is_no_more_than_it_needs(machine: Machine) -> None:
    unit = "/usr/local/lib/systemd/system/kakiyo-webhooks.service"
    said = machine.run("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=11", unit)
    [exposure] = re.findall(r"Overall exposure level for kakiyo-webhooks.service: ([\d.]+) ", said)
    assert float(exposure) <= 1.1
    machine.run("systemd-analyze", "verify", "--recursive-errors=no", unit, unit.replace(".service", ".socket"))


def test_it_is_ready_within_seconds(machine: Machine) -> None:
    started = time.monotonic()
    machine.run("systemctl", "restart", SERVICE)
    print(f"stopped and ready again in {time.monotonic() - started:.2f} s")
    assert time.monotonic() - started < 10
