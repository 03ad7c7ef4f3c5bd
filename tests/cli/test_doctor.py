"""`kakiyo-webhooks doctor`: what it finds on real files, with a real daemon, and what it says is to be done."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, text

from daemon.config.settings import Settings, StoreSettings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, write_keys
from daemon.crypto.vault import Vault
from daemon.doctor.clock import check_clock
from daemon.doctor.database import stored_in_file
from daemon.doctor.examination import examine
from daemon.doctor.files import check_disk
from daemon.doctor.finding import Verdict
from daemon.doctor.network import check_dns, check_listener, check_mail, check_proxy
from daemon.domain.bind_address import TcpAddress
from daemon.files.kept_addresses import keep_addresses
from daemon.store.migrate import migrate
from daemon.store.sqlite.commit_record import loss_path, record_path
from daemon.store.sqlite.database import open_database
from tests.e2e.operating import operated
from tests.faults.disk import without_privileges
from tests.store.filling import NOW, accept, found
from tests.support.forked import run_forked
from tests.support.process import REPOSITORY, make_installation
from tests.support.programs import plain_environment
from tests.support.smtp import MailServer, reserve_port, serving


def diagnose(run: Any, *options: object) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Run the command; return its exit code, and each check's verdict, message and advice."""
    ended = run("doctor", "--json", *map(str, options))
    checks = json.loads(ended.out)["checks"]
    return ended.code, {one["name"]: (one["verdict"], one["message"], one["advice"]) for one in checks}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory as a daemon leaves it, with an event from a while ago."""
    directory = tmp_path / "state"
    directory.mkdir(0o700)
    database = open_database(directory / "kakiyo-webhooks.db")
    found(database)
    accept(database, [1, 2])
    database.close()
    return directory


@pytest.mark.parametrize("file", [record_path, loss_path], ids=["commits", "lost"])
@pytest.mark.parametrize("kind", ["a link", "a directory", "a second name", "a pipe"])
def test_what_stands_in_the_place_of_the_record_of_commits_is_told(
    run: Any, state: Path, kind: str, file: Callable[[Path], Path]
) -> None:
    path, elsewhere = file(state / "kakiyo-webhooks.db"), state / "elsewhere"
    path.unlink(missing_ok=True)
    elsewhere.touch()
    match kind:
        case "a link":
            path.symlink_to(elsewhere)
        case "a directory":
            path.mkdir()
        case "a second name":
            path.hardlink_to(elsewhere)
        case _:
            os.mkfifo(path)
    code, said = diagnose(run, "--state-dir", state)
    verdict, message, advice = said["history"]
    assert (code, verdict) == (1, "failed")
    assert message.startswith(f"{path}: is in the place of a file of the daemon's")
    assert "it is a link or no regular file" in message
    assert "move it away" in advice


def test_before_the_first_start_nothing_is_wrong_but_that_the_daemon_does_not_run(run: Any, tmp_path: Path) -> None:
    code, said = diagnose(run, "--state-dir", tmp_path / "missing")
    assert code == 1
    assert {name for name, (verdict, *_) in said.items() if verdict == "failed"} == {"API"}
    assert said["database"][0] == said["operator key"][0] == "skipped"


def test_wrong_settings_are_told_as_everywhere(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[delivery]\ntimeout = 3\n")
    ended = run("doctor", "--config", str(config))
    assert ended.code == 2
    assert "delivery.timeout: unknown setting" in ended.err


def test_what_is_open_to_others_is_named_with_the_command_that_mends_it(run: Any, state: Path) -> None:
    state.chmod(0o755)
    (state / "operator.key").write_text("kwh_x\n")
    (state / "operator.key").chmod(0o644)
    _, said = diagnose(run, "--state-dir", state)
    assert said["state directory"] == ("warning", f"{state} is open to others (mode 755)", f"Run: chmod 700 {state}")
    assert said["operator key"][0] == "warning"
    assert said["operator key"][2] == f"Run: chmod 600 {state}/operator.key"


def test_a_damaged_database_is_found_and_a_backup_advised(run: Any, state: Path) -> None:
    file = state / "kakiyo-webhooks.db"
    content = bytearray(file.read_bytes())
    content[5 * 4096 : 9 * 4096] = os.urandom(4 * 4096)
    file.write_bytes(content)
    code, said = diagnose(run, "--state-dir", state)
    assert code == 1
    assert said["database"][0] == "failed"
    assert said["database"][1].endswith(")"), "all that SQLite says, whatever colons are in it"
    assert "restore" in said["database"][2]


def test_an_encryption_key_that_is_missing_or_does_not_fit_is_found(run: Any, state: Path) -> None:
    with closing(sqlite3.connect(state / "kakiyo-webhooks.db")) as connection, connection:
        connection.execute("UPDATE webhooks SET secret = ?", (Vault([b"k" * 32]).seal("whsec_x", "wh_1"),))
    said = {}
    for key in (None, b"x" * 32, b"k" * 32):
        if key is not None:
            write_keys(state / ENCRYPTION_KEY, [key])
        _, found_now = diagnose(run, "--state-dir", state)
        said[key] = found_now["encryption key"]
    assert said[None][:2] == (
        "failed",
        f"there is none, and {state}/kakiyo-webhooks.db has secrets that were sealed with one",
    )
    assert said[b"x" * 32][:2] == (
        "failed",
        f"{state}/{ENCRYPTION_KEY} does not open the secrets in {state}/kakiyo-webhooks.db",
    )
    assert said[b"k" * 32][0] == "ok"


def test_a_balance_that_its_ledger_does_not_explain_is_found_by_looking_at_everything(run: Any, state: Path) -> None:
    _, whole = diagnose(run, "--full", "--state-dir", state)
    assert whole["ledger"][0] == "ok"
    with closing(sqlite3.connect(state / "kakiyo-webhooks.db")) as connection, connection:
        connection.execute("UPDATE teams SET balance = balance + 1 WHERE id = 'team_1'")
    code, said = diagnose(run, "--full", "--state-dir", state)
    assert code == 1
    assert said["ledger"][:2] == ("failed", "balances that are not the sum of their ledgers: 1, of team_1")
    assert "ledger" not in diagnose(run, "--state-dir", state)[1]


@pytest.mark.parametrize(("revision", "verdict"), [("0001", "warning"), ("9999", "failed")])
def test_another_versions_database_is_told_from_ours(run: Any, state: Path, revision: str, verdict: str) -> None:
    (state / "kakiyo-webhooks.db").unlink()
    engine = create_engine(f"sqlite:///{state}/kakiyo-webhooks.db")
    with engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()
    _, said = diagnose(run, "--state-dir", state)
    assert said["database"][0] == "ok"
    assert said["migrations"][0] == verdict


@pytest.mark.parametrize(
    ("free", "verdict"), [(50 << 20, Verdict.FAILED), (500 << 20, Verdict.WARNING), (50 << 30, Verdict.OK)]
)
def test_a_disk_that_gets_full_is_said_before_it_is(state: Path, free: int, verdict: Verdict) -> None:
    full = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_blocks=(100 << 30) // 4096, f_files=9, f_favail=900)
    store = StoreSettings(url="postgresql:///ours")
    [on_server] = check_disk(Settings(state_dir=state, store=store), lambda _path: cast(os.statvfs_result, full))
    assert on_server.verdict is verdict
    assert ("The database is on its server, not here." in on_server.advice) is (verdict is Verdict.FAILED)
    assert "Submissions" not in on_server.advice
    [finding] = check_disk(Settings(state_dir=state), lambda _path: cast(os.statvfs_result, full))
    assert finding.verdict is verdict


def test_a_clock_behind_the_database_is_found(state: Path) -> None:
    newest = stored_in_file(Settings(state_dir=state), full=False).newest_time()
    [behind] = check_clock(newest, lambda: NOW - 2 * 3600 * 1000)
    [right] = check_clock(newest, lambda: NOW)
    [ages_ago] = check_clock(newest, lambda: 1_000_000)
    assert [behind.verdict, right.verdict, ages_ago.verdict] == [Verdict.FAILED, Verdict.OK, Verdict.FAILED]


def test_a_receiver_whose_name_is_gone_is_named(state: Path) -> None:
    settings = Settings(state_dir=state)
    [finding] = check_dns(settings, stored_in_file(settings, full=False).newest_urls())
    assert finding.verdict is Verdict.FAILED
    assert "1.example" in finding.message


def test_a_mail_server_that_is_not_there_is_named_and_no_mail_server_is_no_fault(state: Path) -> None:
    smtp = {"host": "127.0.0.1", "port": 1, "security": "none"}
    [missing] = check_mail(Settings.model_validate({"state_dir": state, "smtp": smtp}))
    assert missing.verdict is Verdict.FAILED
    assert missing.message.count("127.0.0.1:1") == 1
    [none] = check_mail(Settings(state_dir=state))
    assert none.verdict is Verdict.SKIPPED


def test_a_mail_server_is_asked_for_what_is_set_and_no_mail_is_sent(state: Path) -> None:
    server = MailServer(users={"kakiyo": "secret"})
    password = state / "password"
    password.write_text("secret\n")
    smtp = {"host": "127.0.0.1", "security": "none", "username": "kakiyo", "password_file": password}
    with serving(server) as port:
        [right] = check_mail(Settings.model_validate({"state_dir": state, "smtp": {**smtp, "port": port}}))
        password.write_text("wrong\n")
        [wrong] = check_mail(Settings.model_validate({"state_dir": state, "smtp": {**smtp, "port": port}}))
    assert (right.verdict, right.message) == (Verdict.OK, f"127.0.0.1:{port} is reached and takes the login")
    assert wrong.verdict is Verdict.FAILED
    assert "it refused the login" in wrong.message
    assert server.taken == []


def test_a_mail_server_that_speaks_without_end_does_not_hold_up_the_others(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.doctor.network._WITHIN_S", 0.1)
    with closing(reserve_port()) as listener:
        listener.listen()
        threading.Thread(target=_drip, args=(listener,), daemon=True).start()
        smtp = {"host": "127.0.0.1", "port": listener.getsockname()[1], "security": "none"}
        started = time.monotonic()
        [finding] = check_mail(Settings.model_validate({"state_dir": state, "smtp": smtp}))
    assert finding.verdict is Verdict.FAILED
    assert "did not answer in time" in finding.message
    assert time.monotonic() - started < 3


def _drip(listener: socket.socket) -> None:
    """Greet the client in a line that never ends."""
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        while True:
            connection.sendall(b"2")
            time.sleep(0.02)


def test_a_check_that_crashes_is_one_failed_check(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("daemon.doctor.examination.check_disk", crash)
    findings = list(examine(Settings(state_dir=state), lambda: ""))
    assert [finding.message for finding in findings if finding.check == "disk space"] == [
        "it could not be checked (RuntimeError('a bug'))"
    ]
    assert findings[-1].check == "API"


async def test_a_daemon_that_runs_is_found_ready_and_its_database_whole(tmp_path: Path) -> None:
    installation = make_installation(tmp_path)
    try:
        async with operated(installation) as operator:
            await operator.make_team()
            environment = plain_environment(KAKIYO_WEBHOOKS_API__BIND=installation.bind)
            doctor = ["doctor", "--json", "--state-dir", str(installation.state_dir)]
            ended = await run_forked(doctor, environment=environment)
    finally:
        installation.close()
    said = {one["name"]: one["verdict"] for one in json.loads(ended.stdout)["checks"]}
    for name in ("settings", "state directory", "operator key", "encryption key", "database", "migrations", "API"):
        assert said[name] == "ok", name


@pytest.mark.fault(
    "`doctor` is run by a user who may not look into the state directory",
    "It says so and who may look; it takes nothing for a bug",
)
def test_denied_access_is_told_from_a_bug(state: Path) -> None:
    for path in (state, *state.iterdir()):
        os.chown(path, 61234, 61234)
    command = without_privileges([sys.executable, "-m", "daemon", "doctor", "--json"])
    environment = plain_environment(KAKIYO_WEBHOOKS_API__BIND="127.0.0.1:9", KAKIYO_WEBHOOKS_STATE_DIR=str(state))
    ended = subprocess.run(command, capture_output=True, check=False, cwd=REPOSITORY, env=environment)
    checks = {one["name"]: one for one in json.loads(ended.stdout)["checks"]}
    assert ended.returncode == 1
    for name in ("state directory", "keys", "database", "clock"):
        assert checks[name]["verdict"] == "failed"
        assert checks[name]["advice"] == "Run this as root, or as the user that the daemon runs as."
    assert b"bug" not in ended.stdout


@pytest.mark.parametrize(
    ("bind", "public_url", "verdict"),
    [
        ("0.0.0.0:8480", "http://hooks.example.com", "warning"),
        ("[::]:8480", "https://hooks.example.com", "ok"),
        ("8.8.8.8:8480", "http://hooks.example.com", "warning"),
        ("localhost:8480", "http://hooks.example.com", "ok"),
        ("192.168.1.1:8480", "http://hooks.example.com", "ok"),
        ("unix:/run/api.sock", "http://hooks.example.com", "ok"),
    ],
)
def test_a_public_listener_without_tls_is_found(
    run: Any, state: Path, tmp_path: Path, bind: str, public_url: str, verdict: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'public_url = "{public_url}"\n[api]\nbind = "{bind}"\n')
    _, said = diagnose(run, "--state-dir", state, "--config", config)
    assert said["listener"][0] == verdict


def test_a_listener_is_judged_by_where_the_daemon_listens_in_fact(state: Path) -> None:
    settings = Settings.model_validate({"state_dir": state, "api": {"bind": "fd://3"}})
    keep_addresses(state, [TcpAddress("127.0.0.1", 1), TcpAddress("8.8.8.8", 8480)])
    [finding] = check_listener(settings)
    assert (finding.verdict, finding.message) == (Verdict.WARNING, "the API listens on 8.8.8.8:8480 without TLS")


def test_the_proxy_on_the_way_out_is_tried_with_its_login(state: Path) -> None:
    password = state / "proxy-password"
    password.write_text("right\n")

    def findings(port: int) -> list[tuple[Verdict, str]]:
        egress = {"proxy": f"socks5://kakiyo@127.0.0.1:{port}", "proxy_password_file": password}
        settings = Settings.model_validate({"state_dir": state, "egress": egress})
        return [(finding.verdict, finding.message.partition(": ")[2]) for finding in check_proxy(settings)]

    [none] = check_proxy(Settings(state_dir=state))
    assert none.verdict is Verdict.SKIPPED
    with closing(reserve_port()) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        threading.Thread(target=_socks5, args=(listener, b"\x00", b"\x01"), daemon=True).start()
        assert findings(port) == [(Verdict.OK, "")]
        assert findings(port) == [(Verdict.FAILED, "the proxy refused the login: its user name or password is wrong")]
    assert findings(port) == [(Verdict.FAILED, "it cannot be reached")]


def _socks5(listener: socket.socket, *login_answers: bytes) -> None:
    """Give each connection the next of these answers to its login, and reach nothing."""
    for answer in login_answers:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4)
            connection.sendall(b"\x05\x02")
            connection.recv(100)
            connection.sendall(b"\x01" + answer)
            if answer == b"\x00":
                connection.recv(10)
                connection.sendall(b"\x05\x04\x00\x01\0\0\0\0\0\0")
