"""Variables that Kubernetes and docker inject for a Service that is named `kakiyo-webhooks`."""

import pytest

from daemon.config.settings import ConfigError, load_settings

PREFIX = "KAKIYO_WEBHOOKS_"
INJECTED = {
    "PORT": "tcp://10.96.14.7:8480",
    "SERVICE_HOST": "10.96.14.7",
    "SERVICE_PORT": "8480",
    "SERVICE_PORT_HTTP_API": "8480",
    "PORT_8480_TCP": "tcp://10.96.14.7:8480",
    "PORT_8480_TCP_ADDR": "10.96.14.7",
    "PORT_8480_TCP_PORT": "8480",
    "PORT_8480_TCP_PROTO": "tcp",
    "PORT_53_UDP": "udp://[fd00::7]:53",
    "PORT_53_UDP_ADDR": "fd00::7",
    "PORT_53_UDP_PORT": "53",
    "PORT_53_UDP_PROTO": "udp",
    "PORT_9_SCTP": "sctp://10.96.14.7:9",
    "PORT_8480_TCP_START": "tcp://172.17.0.2:8480",
    "PORT_8480_TCP_PORT_START": "8480",
    "PORT_8480_TCP_END": "tcp://172.17.0.2:8490",
    "PORT_8480_TCP_PORT_END": "8490",
    "METRICS_SERVICE_HOST": "10.96.14.8",
    "METRICS_SERVICE_PORT_PROMETHEUS": "9090",
    "METRICS_PORT_9090_TCP": "tcp://10.96.14.8:9090",
    "API_PORT": "tcp://10.96.14.9:80",
    "1_PORT_8480_TCP_ADDR": "172.17.0.2",
    "1_NAME": "/web/kakiyo_webhooks_1",
    "1_ENV_LANG": "C.UTF-8",
    "NAME": "/web/kakiyo_webhooks",
    "ENV_PYTHON_VERSION": "3.11.9",
    "ENV_PATH": "",
}


@pytest.mark.fault(
    "Kubernetes and docker inject variables with the prefix of the settings (`KAKIYO_WEBHOOKS_PORT=tcp://…`)",
    "Those shapes are ignored; any other unknown setting stops the start",
)
def test_variables_that_kubernetes_and_docker_inject_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in INJECTED.items():
        monkeypatch.setenv(PREFIX + name, value)
    assert load_settings().api.bind == "127.0.0.1:8480"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "8480"),
        ("PORT", "http://10.0.0.1:8480"),
        ("PORT", "tcp://example.com:80"),
        ("SERVICE_HOST", "example.com"),
        ("SERVICE_PORT", "eighty"),
        ("PORT_8480_TCP_PROTO", "http"),
        ("PORT_X_TCP", "tcp://10.0.0.1:80"),
        ("NAME", "Acme"),
        ("HOST", "10.0.0.1"),
        ("SERVICE__HOST", "10.0.0.1"),
        ("METRICS_PORT", "9090"),
        ("API_SERVICE_HOST", "example.com"),
        ("API_BIND", "10.0.0.1"),
        ("API__PORT", "tcp://10.0.0.1:80"),
        ("LOG_ENV_LEVEL", "debug"),
    ],
)
def test_any_other_unknown_variable_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigError, match=PREFIX + name.partition("__")[0]):
        load_settings()
