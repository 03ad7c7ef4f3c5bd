import json
import os
import re
import socket
import tomllib
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path

import pytest

from daemon.config.settings import ConfigError, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "systemd/config.example.toml"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("KAKIYO_WEBHOOKS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/kakiyo-webhooks")


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def mistakes(tmp_path: Path, text: str = "") -> str:
    with pytest.raises(ConfigError) as raised:
        load_settings(written(tmp_path, text))
    return str(raised.value)


# files and values of any kind


@pytest.mark.fault(
    "A configuration that is nested 5,000 deep, endless, no TOML, or holds a NUL or a number of 5,000 digits",
    "One sentence that names the place, never a traceback",
)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("x = " + "9" * 5_000, "not valid TOML"),
        ("# " + "x" * 2_000_000, "no configuration file"),
        ('state_dir = "/a\\u0000b"', "state_dir: expected a path"),
        ('[egress]\nca_file = "\\u0000"', "egress.ca_file: expected a path"),
        ('[smtp]\nhost = "mail\\r\\nQUIT"', "smtp.host"),
        ('[smtp]\noperator_address = "root"', "smtp.operator_address: expected an email address"),
        ('[[event_types]]\nname = "a.b"\ndescription = "x"\nexample = {n = 99999999999999999999}', "JSON"),
    ],
)
def test_a_file_of_any_kind_is_refused_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    said = mistakes(tmp_path, text)
    assert said.startswith(str(tmp_path / "config.toml"))
    assert says in said


@pytest.mark.parametrize("name", ["/dev/zero", "/proc/self/mem", "a\0b"])
def test_what_is_no_configuration_file_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{name}: ")):
        load_settings(Path(name))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (b"KAKIYO_WEBHOOKS_\xff", b"1", "unknown setting"),
        (b"KAKIYO_WEBHOOKS_API", b"[" * 50_000, "api: expected a table"),
        (b"KAKIYO_WEBHOOKS_API", b'{"\\ud800": 1}', "api"),
        (b"KAKIYO_WEBHOOKS_PUBLIC_URL", b"https://\xff", "public_url: expected"),
    ],
)
def test_a_variable_of_any_kind_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: bytes, value: bytes, says: str
) -> None:
    monkeypatch.setenv(os.fsdecode(name), os.fsdecode(value))
    with pytest.raises(ConfigError, match=says):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        *("https://a b.example", "https://a.example\\n", " https://a.example", "https://u:p@a.example"),
        *(
            "https://a.example:99999",
            "https://a.example?",
            "https://a.example#",
            "https://bücher.example",
            "https://:80",
        ),
    ],
)
def test_a_public_url_that_no_browser_has_as_its_origin_is_refused(tmp_path: Path, url: str) -> None:
    assert "public_url: expected" in mistakes(tmp_path, f'public_url = "{url}"')


@pytest.mark.parametrize("url", ["https://hooks.example", "HTTPS://Hooks.Example:443/", "https://hooks.example//"])
def test_the_public_url_is_kept_as_browsers_write_their_origin(tmp_path: Path, url: str) -> None:
    assert load_settings(written(tmp_path, f'public_url = "{url}"')).public_url == "https://hooks.example"


def test_an_example_is_what_is_sent(tmp_path: Path) -> None:
    text = '[[event_types]]\nname = "a.b"\ndescription = "x"\nexample = {at = 2025-07-15T10:30:00Z, n = nan}'
    [event_type] = load_settings(written(tmp_path, text)).event_types
    assert event_type.example == {"at": "2025-07-15T10:30:00+00:00", "n": None}


# precedence


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert settings.api.bind == "127.0.0.1:8480"
    assert settings.delivery.timeout_s == 10
    assert settings.delivery.retry_delays_s == (1, 2, 4)
    assert (settings.delivery.disable_after, settings.delivery.count) == (4, "deliveries")
    assert (settings.credits.per_delivery, settings.credits.enforce) == (2, False)
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.security) == ("", 587, "starttls")
    assert not settings.egress.allow_http
    assert settings.retention.days == 30


def test_the_file_wins_over_the_defaults(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "[delivery]\ntimeout_s = 3")).delivery.timeout_s == 3


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_DELIVERY__TIMEOUT_S", "5")
    assert load_settings(written(tmp_path, "[delivery]\ntimeout_s = 3")).delivery.timeout_s == 5


def test_flags_win_over_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API__BIND", "127.0.0.1:2")
    file = written(tmp_path, '[api]\nbind = "127.0.0.1:1"')
    assert load_settings(file, {"api": {"bind": "127.0.0.1:3"}, "dev": True}).api.bind == "127.0.0.1:3"


def test_one_section_may_come_from_file_environment_and_flags_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_SMTP__PORT", "2525")
    file = written(tmp_path, '[smtp]\nhost = "mail.example.com"')
    smtp = load_settings(file, {"smtp": {"security": "none"}}).smtp
    assert (smtp.host, smtp.port, smtp.security) == ("mail.example.com", 2525, "none")


def test_a_setting_with_another_name_in_the_code_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_SMTP__FROM", "Hooks <hooks@example.com>")
    assert load_settings().smtp.sender == "Hooks <hooks@example.com>"


def test_lists_and_tables_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_DELIVERY__RETRY_DELAYS_S", "[0.5, 1]")
    monkeypatch.setenv("KAKIYO_WEBHOOKS_EGRESS", '{"allow_networks": ["10.0.0.0/8"], "allow_http": true}')
    monkeypatch.setenv("KAKIYO_WEBHOOKS_EGRESS__ALLOW_HTTP", "false")
    settings = load_settings()
    assert settings.delivery.retry_delays_s == (0.5, 1)
    assert settings.egress.allow_networks == (IPv4Network("10.0.0.0/8"),)
    assert not settings.egress.allow_http


@pytest.mark.parametrize("bind", ["[::1]:8480", "unix:/run/kakiyo-webhooks/api.sock", "fd://3", "localhost:80"])
def test_every_form_of_bind_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API__BIND", bind)
    assert load_settings().api.bind == bind


def test_the_variables_of_the_client_commands_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    without = load_settings()
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_KEY", "x")
    monkeypatch.setenv("KAKIYO_WEBHOOKS_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("KAKIYO_WEBHOOKS_CONFIG", "/etc/x.toml")
    assert load_settings() == without


def test_the_state_directory_is_systemds_else_in_the_xdg_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    assert load_settings().state_dir == Path("/var/lib/one")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert load_settings().state_dir == Path("/xdg/kakiyo-webhooks")


def test_dev_allows_http_and_private_receivers_and_keeps_the_operators_networks() -> None:
    settings = load_settings(flags={"dev": True, "egress": {"allow_networks": ["192.0.2.0/24"]}})
    assert not settings.egress.allow_http
    assert settings.effective_egress.allow_http
    assert {"192.0.2.0/24", "127.0.0.0/8", "::1/128"} <= {str(n) for n in settings.effective_egress.allow_networks}


def test_settings_cannot_be_changed_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().delivery.disable_after = 5  # type: ignore[misc]  # the point of this test


# mistakes


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read \(No such file or directory\)"):
        load_settings(tmp_path / "nowhere.toml")


def test_a_file_that_is_not_toml_is_named_with_the_line(tmp_path: Path) -> None:
    assert re.search(r"config\.toml: not valid TOML: .*line 2", mistakes(tmp_path, "dev = true\nbind =\n"))


def test_an_unknown_setting_in_the_file_is_named_with_what_was_expected(tmp_path: Path) -> None:
    message = mistakes(tmp_path, "[delivery]\ntimeout = 3")
    assert "config.toml: delivery.timeout: unknown setting: expected one of timeout_s, retry_delays_s," in message


def test_an_unknown_section_is_named_with_what_was_expected(tmp_path: Path) -> None:
    assert "deliveries: unknown setting: expected one of state_dir, public_url" in mistakes(tmp_path, "[deliveries]")


def test_an_unknown_variable_is_named_with_what_was_expected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_SMTP__PROT", "25")
    monkeypatch.setenv("KAKIYO_WEBHOOKS_STATEDIR", "/x")
    message = mistakes(tmp_path)
    assert "KAKIYO_WEBHOOKS_SMTP__PROT: smtp.prot: unknown setting: expected one of host, port, security," in message
    assert "ca_file" in message
    assert ", from," in message
    assert "KAKIYO_WEBHOOKS_STATEDIR: statedir: unknown setting: expected one of state_dir," in message


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    message = mistakes(tmp_path, '[api]\nbind = "8480"\n[delivery]\ndisable_after = 0\ncount = "hours"')
    assert [line.split(": ")[1] for line in message.splitlines()] == [
        "api.bind",
        "delivery.disable_after",
        "delivery.count",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[api]\nbind = "8480"',
            """api.bind: expected "host:port", "[IPv6 address]:port", "unix:/path" or "fd://number" (found '8480')""",
        ),
        ("[delivery]\nretry_delays_s = 5", "delivery.retry_delays_s: expected a list (found 5)"),
        (
            "[delivery]\nretry_delays_s = [1, -1]",
            "delivery.retry_delays_s.1: input should be greater than 0 (found -1)",
        ),
        ('[log]\nlevel = "loud"', "log.level: input should be 'debug', 'info', 'warning' or 'error' (found 'loud')"),
        ('[egress]\nallow_networks = ["10.0.0.1/8"]', "egress.allow_networks.0: expected a network such as"),
        ("[egress]\nallow_networks = [10]", "egress.allow_networks.0: expected a network such as"),
        ('public_url = "hooks.example.com"', "public_url: expected an http:// or https:// URL"),
        ('public_url = "https://"', "public_url: expected an http:// or https:// URL"),
        ('public_url = "https://x.example/hooks/"', "public_url: expected a URL without a path: API and console are"),
        ('[smtp]\nfrom = "nobody"', "smtp.from: expected an email address"),
        (
            '[egress]\nproxy = "https://proxy:3128"',
            "egress.proxy: the proxy's URL has another scheme than http and socks5",
        ),
        ('[egress]\nproxy = "http://proxy"', "egress.proxy: the proxy's URL has no port"),
        ('[egress]\nproxy = "http://proxy:3128/x"', "egress.proxy: the proxy's URL has something behind its port"),
        ('[egress]\nproxy = "proxy:3128"', "egress.proxy: the proxy's URL has no valid host or port"),
        ("[egress]\nproxy_resolves = true", "egress: expected proxy, too"),
        ('[smtp]\nusername = "u"', "smtp: expected username and password_file together, or neither"),
        ("smtp = 25", "smtp: expected a table: write its settings under [smtp] (found 25)"),
        ('[[event_types]]\nname = "Bad Name"\ndescription = "x"', "event_types.0.name: string should match pattern"),
        (
            '[[event_types]]\nname = "a.b"\nexampel = {}',
            "event_types.0.exampel: unknown setting: expected one of",
        ),
        (
            '[[event_types]]\nname = "a.b"\ndescription = "x"\n' * 2,
            "event_types: expected each name once: a.b",
        ),
        (
            '[[event_types]]\nname = "credits.low"\ndescription = "x"\n',
            "event_types: expected other names than those of operational events: credits.low",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_name_and_what_was_expected(tmp_path: Path, text: str, sentence: str) -> None:
    assert f"config.toml: {sentence}" in mistakes(tmp_path, text)


def test_a_wrong_variable_is_named_as_the_operator_wrote_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_SMTP__PORT", "many")
    assert mistakes(tmp_path, "[smtp]\nport = 25").startswith(
        "KAKIYO_WEBHOOKS_SMTP__PORT: smtp.port: input should be a"
    )


def test_a_list_in_the_environment_that_is_no_json_says_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAKIYO_WEBHOOKS_EGRESS__ALLOW_NETWORKS", "10.0.0.0/8")
    assert "expected a list, written as JSON (found '10.0.0.0/8')" in mistakes(tmp_path)


def test_a_password_in_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    message = mistakes(tmp_path, '[smtp]\npassword = "tr0ub4dor"')
    assert "smtp.password: unknown setting" in message
    assert "tr0ub4dor" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///kakiyo",
        "postgres://kakiyo:p%2Fw@[::1]:5432/kakiyo?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://one:1,two:2/kakiyo?target_session_attrs=read-write",
    ],
)
def test_a_database_is_named_as_libpq_does(tmp_path: Path, url: str) -> None:
    store = load_settings(written(tmp_path, f'[store]\nurl = "{url}"\nnode_name = "a-1.example"')).store
    assert (store.url, store.effective_node_name) == (url, "a-1.example")


def test_a_node_is_called_as_its_host_unless_it_has_a_name() -> None:
    assert load_settings().store.effective_node_name == socket.gethostname()


@pytest.mark.parametrize(
    "text",
    [
        *('store = "postgresql://u:horse@h"', '[store]\nurls = "postgresql://u:horse@h"'),
        *('[store]\nurl = "mysql://u:horse@h"', '[store]\nnotify_url = "postgresql+psycopg://u:horse@h"'),
        *('[store]\nurl = "postgresql://u:horse @h"', '[store]\nurl = "postgresql://u:hor/se@h"'),
        *('[store]\nurl = ["postgresql://u:horse@h"]', '[store]\nurl = "mysql://h?password=horse"'),
        *('[store]\nnotify_url = "postgresql://u:horse@h"', '[store]\npassword_file = "/run/password"'),
        *('[store]\nnode_name = "a b"',),
    ],
)
def test_a_wrong_database_is_refused_in_a_sentence_without_its_password(tmp_path: Path, text: str) -> None:
    message = mistakes(tmp_path, text)
    assert re.search(r"config\.toml: store(\.\w+)?: (expected|unknown|input|string)", message)
    assert "\n" not in message
    assert "hor" not in message


@pytest.mark.parametrize("url", ["http://u:horse@proxy:3128", "ftp://u:horse@proxy:3128", "http://u:horse@proxy"])
def test_a_password_in_the_url_of_a_proxy_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    message = mistakes(tmp_path, f'[egress]\nproxy = "{url}"')
    assert "egress.proxy: the proxy's URL has" in message
    assert "horse" not in message


def test_a_password_of_a_database_is_in_no_representation(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, '[store]\nurl = "postgresql://u:horse@h/d?sslpassword=horse"'))
    assert settings.store.url == "postgresql://u:horse@h/d?sslpassword=horse"
    assert "horse" not in repr(settings) + settings.model_dump_json()


# the example file


def test_the_example_file_is_taken_as_it_is() -> None:
    assert load_settings(EXAMPLE) == load_settings()


def test_the_example_file_uncommented_says_what_the_defaults_are(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, _uncommented()))
    assert settings.model_copy(update={"event_types": ()}) == load_settings()
    assert len(settings.event_types) == 1


def test_the_example_file_documents_every_setting() -> None:
    documented = tomllib.loads(_uncommented())
    everything = json.loads(Settings(event_types=({"name": "a.b", "description": "x"},)).model_dump_json(by_alias=True))
    assert documented.keys() == everything.keys()
    for name in ("api", "delivery", "egress", "credits", "smtp", "secrets", "store", "log"):
        assert documented[name].keys() == everything[name].keys()
    assert documented["event_types"][0].keys() == everything["event_types"][0].keys()


def test_every_setting_of_the_example_file_has_a_sentence_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for above, line in pairwise(lines):
        if re.match(r"#[\w\[]", line):
            assert above.startswith("# "), line


def _uncommented() -> str:
    return re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def test_name_servers_are_addresses_with_or_without_a_port() -> None:
    given = ["192.0.2.53", "127.0.0.1:5353", "2001:db8::53", "[2001:db8::53]:5353"]
    settings = load_settings(flags={"egress": {"nameservers": given}})
    assert [(server.address, server.port) for server in settings.egress.nameservers] == [
        ("192.0.2.53", 53),
        ("127.0.0.1", 5353),
        ("2001:db8::53", 53),
        ("2001:db8::53", 5353),
    ]


@pytest.mark.parametrize("server", ["ns.example.com", "", "192.0.2.53:0", "192.0.2.53:99999", "[::1", "1.2.3.4:x"])
def test_a_name_server_is_no_name(server: str) -> None:
    with pytest.raises(ConfigError, match=r"egress\.nameservers\.0: expected an address"):
        load_settings(flags={"egress": {"nameservers": [server]}})


# frames of the operator's product


@pytest.mark.fault(
    "The console is to be shown in frames of any site, of a path, or of a site without TLS",
    "One sentence that names `console.embed_origins`",
    cases=7,
)
def test_only_whole_origins_with_tls_may_show_the_console_in_a_frame(tmp_path: Path) -> None:
    for origin in (
        "*",
        "https://*.example.com",
        "https://a.example/x",
        "http://a.example",
        "null",
        "a.example",
        "'self'",
    ):
        said = mistakes(tmp_path, f'[console]\nembed_origins = ["{origin}"]')
        assert "console.embed_origins.0: expected an origin such as" in said, origin
    given = '[console]\nembed_origins = ["HTTPS://App.example.com:443/", "http://localhost:3000", "http://[::1]:3000"]'
    settings = load_settings(written(tmp_path, given))
    assert settings.console.embed_origins == ("https://app.example.com", "http://localhost:3000", "http://[::1]:3000")


def test_a_frame_needs_a_console_whose_session_browsers_keep(tmp_path: Path) -> None:
    for url, is_right in (("http://hooks.example.com", False), ("https://hooks.example.com", True)):
        text = f'public_url = "{url}"\n[console]\nembed_origins = ["https://a.example"]'
        if is_right:
            assert load_settings(written(tmp_path, text)).console.embed_origins == ("https://a.example",)
        else:
            assert "console: expected an https address in public_url, too" in mistakes(tmp_path, text)
