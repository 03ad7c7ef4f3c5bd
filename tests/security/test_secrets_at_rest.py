"""Secrets where they are kept: sealed in the database (`daemon/crypto/vault.py`), and to be seen nowhere else."""

import base64
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import trio
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from trio.testing import MockClock

from daemon.config.settings import Settings
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, read_keys, write_keys
from daemon.crypto.idempotency import answer_id, scope_of
from daemon.crypto.signing import Secrets, generate_secret
from daemon.crypto.vault import Vault, generate_key
from daemon.domain.model import Webhook
from daemon.domain.submission import Idempotency
from daemon.maintenance import key_rotation
from daemon.maintenance.key_rotation import RotationRefused, reseal_with, rotate_key
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE, use_state_dir
from daemon.store.commands import CreateWebhook, ExecuteOnce, ReadBalance
from daemon.store.engine import DatabaseRefused
from daemon.store.reads import api_reads
from daemon.store.writes.batch import run_batch
from daemon.store.writes.idempotency import first_use
from daemon.systemd.credentials import ENCRYPTION_KEY as CREDENTIAL
from tests.e2e.conftest import MakeInstallation
from tests.e2e.conftest import new_installation as new_installation  # the fixture
from tests.e2e.deadline import ends_within
from tests.e2e.operating import PAYLOAD, Operator, operated
from tests.support import smtp
from tests.support.daemon import running
from tests.support.process import Installation, run_to_its_end
from tests.support.receivers import Receiver, open_receiver, respond

A, B = "https://a.example/hook", "https://b.example/hook"
PLAIN, STANDARD, FIRST, LAST = "correct horse battery", generate_secret(), "the first of two", "the last of two"
TOKEN = "Bearer s3cret-token-of-a-receiver"
MAIL_PASSWORD = "the password of the mail account"


# nothing shows a secret


@pytest.mark.fault(
    "someone reads the state directory, the log, the metrics, error answers or the process list",
    "no webhook secret, API key or mail password is there; operator.key and encryption.key hold their own key alone",
)
@ends_within(60)
async def test_no_secret_is_in_the_state_directory_the_log_the_answers_or_the_process_list(
    new_installation: MakeInstallation, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(MAIL_PASSWORD + "\n")
    server = smtp.MailServer(users={"hooks": MAIL_PASSWORD})
    with smtp.serving(server) as port:
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "username": "hooks"}
        password = {"password_file": str(tmp_path / "password")}
        installation = new_installation(
            smtp={**mail, **password}, delivery={"retry_delays_s": [0.01], "disable_after": 1}
        )
        async with open_receiver(respond(500)) as receiver:
            planted = await live_and_be_killed(installation, receiver)
            check_files(installation, planted)
            async with operated(installation, confidential=list(planted)) as operator:
                check_files(installation, planted)  # what the second start read and checkpointed
                await operator.call("GET", "/v1/webhooks")
    check_files(installation, planted)
    assert set(server.logins) == {"hooks"}, "the password was used"


async def live_and_be_killed(installation: Installation, receiver: Receiver) -> set[str]:
    """Have secrets of every kind used, refused and rotated, then kill the daemon; return them all."""
    async with operated(installation, confidential=[PLAIN, STANDARD, FIRST, LAST, MAIL_PASSWORD, TOKEN]) as operator:
        encryption_key = (installation.state_dir / ENCRYPTION_KEY).read_text().strip()
        operator.confidential.add(encryption_key)
        await operator.make_team("acme", "ann@example.com")
        key = (await operator.make_key())["key"]
        for secret in (PLAIN, STANDARD, "generate"):
            await operator.make_webhook(
                receiver.url, secret=secret, headers=[{"name": "Authorization", "value": TOKEN}]
            )
        replaced, rotated = [await operator.make_webhook(receiver.url, secret=FIRST) for _ in range(2)]
        await operator.call("PATCH", f"/v1/webhooks/{replaced['id']}", {"secret": LAST})
        await operator.call("POST", f"/v1/webhooks/{rotated['id']}/rotate-secret", {"secret": LAST})
        await operator.submit(1)
        await operator.daemon.logged("mail_sent", 5)
        texts = [*await refusals(operator, key), *await open_texts(operator), *process_texts(operator)]
        assert not [text for text in texts if any(secret in text for secret in operator.confidential)]
        planted = operator.confidential - {installation.read_key(), PAYLOAD}
        check_files(installation, planted)
        await operator.daemon.kill()
        return planted


async def refusals(operator: Operator, key: str) -> list[str]:
    """Return the texts of answers to requests that carry secrets where they are refused."""
    hook = {"teamId": "acme", "name": "x", "url": "ftp://example.com/", "events": ["*"]}
    bodies = [
        {**hook, "secret": STANDARD},
        {**hook, "secret": {"value": PLAIN}},
        {**hook, "secret": STANDARD + "!"},
        {**hook, "name": [PLAIN]},
        {**hook, "headers": [{"name": "X-Token", "value": f"{TOKEN}\n"}, {"name": TOKEN, "value": [TOKEN]}]},
    ]
    answers = [await operator.http.post("/v1/webhooks", json=body) for body in bodies]
    answers.append(await operator.http.post("/v1/webhooks/wh_1/rotate-secret", json={"secret": STANDARD}))
    answers += [await operator.http.get(f"/v1/{path}{key}") for path in ("", "deliveries/", "webhooks/")]
    answers.append(await operator.http.get("/v1/verify", headers={"Authorization": f"Bearer {key}x"}))
    assert {answer.status_code // 100 for answer in answers} == {4}
    return [answer.text for answer in answers]


async def open_texts(operator: Operator) -> list[str]:
    """Return what anyone on the machine may read of a running daemon."""
    return [(await operator.http.get(path)).text for path in ("/metrics", "/openapi.json", "/healthz", "/readyz")]


def process_texts(operator: Operator) -> list[str]:
    """Return what the process list shows of the daemon."""
    process = Path("/proc") / str(operator.daemon.process.pid)
    return [(process / name).read_text("utf-8", "replace") for name in ("cmdline", "comm", "status", "stat")]


def forms(secret: str) -> Iterator[bytes]:
    """Yield what a secret may look like: as it is given, without its prefix, as the bytes that it stands for."""
    yield secret.encode()
    text = secret.removeprefix("whsec_")
    yield text.encode()
    with suppress(ValueError):
        if len(raw := base64.b64decode(text, validate=True)) >= 24:
            yield raw


def check_files(installation: Installation, secrets: Iterable[str]) -> None:
    """No file of the state directory holds a secret, but the two keys' files their own key and nothing else."""
    files = {file.name: file.read_bytes() for file in installation.state_dir.rglob("*") if file.is_file()}
    assert DATABASE in files
    operator_key, own = installation.read_key(), {"operator.key", ENCRYPTION_KEY}
    for name, content in files.items():
        found = [secret for secret in {*secrets, operator_key} if any(form in content for form in forms(secret))]
        assert len(found) == (name in own), (name, found)
        if name in own:
            assert content.decode().strip() == found[0]
            assert stat.S_IMODE((installation.state_dir / name).stat().st_mode) == 0o600


# keys that fit, and keys that do not


def settings_of(state_dir: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": state_dir, **sections})


def a_webhook(number: int, **changes: Any) -> Webhook:
    fields = {"secret": None, **changes}
    return Webhook(
        id=f"wh_{number}", team_id="team_1", name="CRM", url=A, events=("*",), created_at=0, updated_at=0, **fields
    )


def fill(state_dir: Path, count: int = 3) -> Settings:
    """Make a state directory with webhooks that have secrets, each `secret <number>`, the first one rotated."""
    opened = open_sealed_database(settings := settings_of(state_dir))
    for number in range(1, count + 1):
        webhook_id = f"wh_{number}"
        sealed = {"secret": opened.vault.seal(f"secret {number}", webhook_id)}
        if number == 1:
            sealed["previous_secret"] = opened.vault.seal("secret 0", webhook_id)
        expires_at = {"previous_secret_expires_at": 1000} if number == 1 else {}
        assert run_batch(opened.database, [CreateWebhook(a_webhook(number, **sealed, **expires_at))]) == [None]
    opened.database.close()
    return settings


def opened_secrets(settings: Settings) -> list[Secrets]:
    """Return what each webhook signs with, oldest first, as the daemon would find it at its start."""
    opened = open_sealed_database(settings)
    try:
        with opened.database.reading.connect() as connection:
            page = api_reads.list_webhooks(connection, None, 200)
        return [opened.vault.secrets_of(webhook, 0) for webhook in reversed(page.items)]
    finally:
        opened.database.close()


ALL = [Secrets("secret 1", "secret 0"), Secrets("secret 2"), Secrets("secret 3")]


def test_what_was_sealed_opens_at_the_next_start(tmp_path: Path) -> None:
    assert opened_secrets(fill(tmp_path)) == ALL


@pytest.mark.fault(
    "the encryption key is lost or another one, or the database comes from elsewhere",
    "the start is refused in one sentence; database and key files stay as they are",
)
@pytest.mark.parametrize("lost", [True, False], ids=["lost", "another one"])
def test_a_key_that_does_not_fit_the_database_is_refused_and_nothing_is_touched(tmp_path: Path, lost: bool) -> None:
    settings = fill(tmp_path)
    (tmp_path / ENCRYPTION_KEY).unlink()
    if not lost:
        write_keys(tmp_path / ENCRYPTION_KEY, [generate_key()])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(DatabaseRefused, match=r"encryption\.key: is not the encryption key .*: restore the file from"):
        open_sealed_database(settings)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_lost_key_does_not_matter_while_there_is_no_secret(tmp_path: Path) -> None:
    open_sealed_database(settings_of(tmp_path)).database.close()
    (tmp_path / ENCRYPTION_KEY).unlink()
    opened = open_sealed_database(settings_of(tmp_path))
    opened.database.close()
    assert opened.key_file.is_new


@ends_within(30)
async def test_a_daemon_whose_key_does_not_fit_ends_with_2_and_one_sentence(new_installation: MakeInstallation) -> None:
    installation = new_installation()
    installation.state_dir.mkdir()
    fill(installation.state_dir)
    write_keys(installation.state_dir / ENCRYPTION_KEY, [generate_key()])
    ended = await run_to_its_end(installation)
    assert ended.returncode == 2
    [sentence] = [line for line in ended.stderr.decode().splitlines() if not line.startswith("{")]
    assert sentence.startswith(f"kakiyo-webhooks: {installation.state_dir / ENCRYPTION_KEY}: is not the encryption key")


@ends_within(30)
@pytest.mark.parametrize(
    ("content", "mode", "told"), [("c2hvcnQ=\n", 0o600, "expected the base64"), (None, 0o644, "chmod 600")]
)
async def test_a_key_file_that_cannot_be_used_ends_the_start_with_2(
    new_installation: MakeInstallation, content: str | None, mode: int, told: str
) -> None:
    installation = new_installation()
    installation.state_dir.mkdir()
    path = installation.state_dir / ENCRYPTION_KEY
    write_keys(path, [generate_key()])
    if content is not None:
        path.write_text(content)
    path.chmod(mode)
    ended = await run_to_its_end(installation)
    assert ended.returncode == 2
    assert told in ended.stderr.decode().splitlines()[-1]


@ends_within(30)
async def test_a_key_from_a_systemd_credential_seals_and_leaves_none_in_the_state_directory(
    new_installation: MakeInstallation, tmp_path: Path
) -> None:
    installation = new_installation()
    write_keys(tmp_path / CREDENTIAL, [key := generate_key()])
    async with operated(installation, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}) as operator:
        await operator.make_team()
        webhook = await operator.make_webhook(A, secret=PLAIN)
        with closing(sqlite3.connect(installation.state_dir / DATABASE)) as connection:
            [(sealed,)] = connection.execute("SELECT secret FROM webhooks").fetchall()
    assert Vault([key]).open(sealed, webhook["id"]) == PLAIN
    assert not (installation.state_dir / ENCRYPTION_KEY).exists()


@pytest.mark.fault(
    "a sealed secret is moved into another webhook's row",
    "nothing is sent unsigned or with the wrong secret: that webhook is parked until it gets a new secret, "
    "the others go on",
)
async def test_a_moved_secret_signs_nothing_and_a_new_one_mends_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        honest, robbed = await daemon.webhook(team, A, secret=PLAIN), await daemon.webhook(team, B, secret=STANDARD)
        with closing(sqlite3.connect(tmp_path / "test.db")) as connection, connection:
            connection.execute("UPDATE webhooks SET secret = ? WHERE id = ?", (honest.secret, robbed.id))
        await daemon.submit(team, 1, 2)
        await trio.sleep(60)
        assert [arrival.number for arrival in daemon.receiver.at(A)] == [1, 2]
        assert daemon.receiver.at(B) == []
        assert [line["webhookId"] for line in daemon.log_lines("actor_parked")] == [robbed.id]
        assert "was changed in the database" in daemon.log_lines("actor_restarted")[0]["error"]
        await daemon.change(robbed, secret=LAST)
        await trio.sleep(60)
        assert [arrival.number for arrival in daemon.receiver.at(B)] == [1, 2]


# a database from before secrets were sealed


@pytest.fixture
def readable(tmp_path: Path) -> Settings:
    """A state directory whose database is of revision 0001, with readable secrets and traces of deleted ones."""
    config = Config()
    config.set_main_option("script_location", str(resources.files("daemon.store") / "migrations"))
    engine = create_engine(f"sqlite:///{tmp_path / DATABASE}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    insert = "INSERT INTO webhooks VALUES (?, ?, 'team_1', 'CRM', 'https://x', ?, '[]', 1, 0, NULL, NULL, 0, 0, NULL)"
    with closing(sqlite3.connect(tmp_path / DATABASE)) as old, old:
        old.execute("PRAGMA secure_delete = OFF")
        old.executemany(insert, [(n, f"wh_{n}", f"readable secret {n}" if n % 2 else None) for n in range(1, 200)])
    with closing(sqlite3.connect(tmp_path / DATABASE)) as old, old:
        old.execute("PRAGMA secure_delete = OFF")
        old.execute("DELETE FROM webhooks WHERE seq > 150")
        old.execute("UPDATE webhooks SET secret = 'readable other' WHERE seq = 5")
    assert (tmp_path / DATABASE).read_bytes().count(b"readable") > 75
    return settings_of(tmp_path)


def test_readable_secrets_of_an_older_version_are_sealed_and_leave_no_trace(readable: Settings) -> None:
    opened = open_sealed_database(readable)
    assert_no_trace(readable.state_dir)  # as a crash now would leave it
    opened.database.close()
    assert_no_trace(readable.state_dir)
    found = opened_secrets(readable)
    expected = [f"readable secret {n}" if n % 2 else None for n in range(1, 151)]
    expected[4] = "readable other"
    assert [secrets.current for secrets in found] == expected


@pytest.mark.fault(
    "The disk is full, or a file damaged, after an upgrade has sealed the first secrets with a new encryption key",
    "The start is refused and the new key is kept: the next start goes on with it",
)
def test_a_new_key_that_has_sealed_something_outlives_a_start_that_fails(
    readable: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_engine: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("daemon.store.sqlite.upgrade._overwrite_free_space", full)
        with pytest.raises(DatabaseRefused, match="disk is full"):
            open_sealed_database(readable)
    open_sealed_database(readable).database.close()
    assert opened_secrets(readable)[0].current == "readable secret 1"


def assert_no_trace(state_dir: Path) -> None:
    for file in state_dir.iterdir():
        assert b"readable" not in file.read_bytes(), file.name


# a new encryption key


@pytest.mark.parametrize("times", [1, 3])
def test_a_new_key_seals_everything_and_the_old_one_is_forgotten(tmp_path: Path, times: int) -> None:
    settings = fill(tmp_path)
    before = read_keys(tmp_path / ENCRYPTION_KEY).keys
    for _ in range(times):
        done = rotate_key(settings)
        assert (done.secrets, done.key_path) == (4, tmp_path / ENCRYPTION_KEY)
    after = read_keys(tmp_path / ENCRYPTION_KEY).keys
    assert len(after) == 1
    assert after != before
    assert opened_secrets(settings) == ALL


def keeping(kept: str) -> Callable[[int], str]:
    return lambda _: kept


def test_kept_answers_outlive_a_new_key(tmp_path: Path) -> None:
    settings = fill(tmp_path)
    idempotency = Idempotency(scope_of(None), "k", b"same")
    opened = open_sealed_database(settings)
    sealed = opened.vault.seal("answer", answer_id(idempotency))
    for number, kept in enumerate([sealed, "v1.0000000000000000.AAAA"]):
        this = replace(idempotency, key="k" * (number + 1))
        run_batch(opened.database, [ExecuteOnce(ReadBalance(""), this, keeping(kept), 1)])
    opened.database.close()
    assert rotate_key(settings).secrets == 4
    opened = open_sealed_database(settings)
    with opened.database.reading.connect() as connection:
        first = first_use(connection, idempotency)
        lost = first_use(connection, replace(idempotency, key="kk"))
    opened.database.close()
    assert first is not None
    assert first.answer not in (None, sealed)
    assert opened.vault.open(str(first.answer), answer_id(idempotency)) == "answer"
    assert lost is not None
    assert lost.answer is None


class Crash(BaseException):
    """The process ends here."""


def crashing(monkeypatch: pytest.MonkeyPatch, name: str, at_call: int, *, before: bool) -> None:
    """Make a step of the rotation crash at its n-th call, before or after it did its work."""
    real, calls = getattr(key_rotation, name), iter(range(1, 100))

    def step(*arguments: Any) -> Any:
        this = next(calls)
        if before and this == at_call:
            raise Crash
        result = real(*arguments)
        if this == at_call:
            raise Crash
        return result

    monkeypatch.setattr(key_rotation, name, step)


@pytest.mark.fault(
    "the rotation of the encryption key is killed at any step",
    "the keys in the file open what is in the database, the daemon starts, and the rotation can be done again",
)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(("step", "call"), [("write_keys", 1), ("reseal_all", 1), ("write_keys", 2)])
def test_a_rotation_that_is_cut_short_leaves_keys_that_open_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int, before: bool
) -> None:
    settings = fill(tmp_path)
    with monkeypatch.context() as patched:
        crashing(patched, step, call, before=before)
        with pytest.raises(Crash):
            rotate_key(settings)
    assert opened_secrets(settings) == ALL
    assert rotate_key(settings).secrets == 4
    assert len(read_keys(tmp_path / ENCRYPTION_KEY).keys) == 1
    assert opened_secrets(settings) == ALL


def test_a_secret_that_does_not_open_stops_the_rotation_with_everything_as_it_was(tmp_path: Path) -> None:
    settings = fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute("UPDATE webhooks SET secret = (SELECT secret FROM webhooks WHERE seq = 1) WHERE seq = 3")
        before = connection.execute("SELECT secret FROM webhooks").fetchall()
    with pytest.raises(RotationRefused, match="the secret of wh_3 was changed in the database"):
        rotate_key(settings)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("SELECT secret FROM webhooks").fetchall() == before
    open_sealed_database(settings).database.close()


def test_there_is_no_rotation_while_a_daemon_runs(tmp_path: Path) -> None:
    settings = fill(tmp_path)
    before = read_keys(tmp_path / ENCRYPTION_KEY)
    with use_state_dir(tmp_path), pytest.raises(RotationRefused, match="is in use by another daemon: stop that one"):
        rotate_key(settings)
    assert read_keys(tmp_path / ENCRYPTION_KEY) == before


def test_a_directory_without_a_database_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(RotationRefused, match="has no database: name the daemon's own with --state-dir or --config"):
        rotate_key(settings_of(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_credential_is_not_changed_but_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = fill(tmp_path)
    (tmp_path / ENCRYPTION_KEY).rename(tmp_path / CREDENTIAL)
    with pytest.raises(RotationRefused, match=r"if it is systemd's credential encryption-key, .* with --key-file$"):
        rotate_key(settings)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(RotationRefused, match=r"systemd's credential cannot be changed here: .* with --key-file$"):
        rotate_key(settings)


def test_a_file_with_both_keys_seals_with_its_first_and_is_not_changed(tmp_path: Path) -> None:
    settings = fill(tmp_path)
    old, new = read_keys(tmp_path / ENCRYPTION_KEY).keys, generate_key()
    write_keys(given := tmp_path / "given", [new, *old])
    before = given.read_bytes()
    assert reseal_with(settings, given).secrets == 4
    assert given.read_bytes() == before
    write_keys(given, [new])
    assert opened_secrets(settings_of(tmp_path, secrets={"key_file": given})) == ALL


@pytest.mark.parametrize(
    ("keys", "told"),
    [(["new"], "holds one key only"), (["new", "other"], "is not the encryption key")],
    ids=["one key", "keys that do not fit"],
)
def test_a_file_without_the_old_key_is_refused(tmp_path: Path, keys: list[str], told: str) -> None:
    settings = fill(tmp_path)
    write_keys(tmp_path / "given", [generate_key() for _ in keys])
    with pytest.raises(RotationRefused, match=told):
        reseal_with(settings, tmp_path / "given")
    assert opened_secrets(settings) == ALL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_rotation_by_root_leaves_the_daemons_user_its_key(tmp_path: Path) -> None:
    settings = fill(tmp_path)
    os.chown(tmp_path / ENCRYPTION_KEY, 1234, 1234)
    rotate_key(settings)
    assert (tmp_path / ENCRYPTION_KEY).stat().st_uid == 1234


CommandLine = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    from daemon.cli import main

    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_the_command_says_what_it_did(tmp_path: Path, command_line: CommandLine) -> None:
    fill(tmp_path)
    code, out, err = command_line("secrets", "rotate-key", "--state-dir", str(tmp_path))
    assert (code, err) == (0, "")
    assert out.startswith(f"Encrypted with the first key in {tmp_path / ENCRYPTION_KEY}: 4 secrets.\n")
    code, out, _ = command_line("secrets", "rotate-key", "--state-dir", str(tmp_path), "--json")
    assert (code, out) == (0, f'{{"secrets": 4, "keyFile": "{tmp_path / ENCRYPTION_KEY}"}}\n')


def test_the_command_ends_with_2_and_one_sentence_when_it_cannot(tmp_path: Path, command_line: CommandLine) -> None:
    code, out, err = command_line("secrets", "rotate-key", "--state-dir", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
