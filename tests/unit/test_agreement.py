"""In what nodes differ: which settings are compared, and how a difference is told."""

from ipaddress import ip_network

from daemon.config.egress_settings import EgressSettings
from daemon.config.settings import CreditsSettings, EventTypeSettings, RetentionSettings, Settings
from daemon.config.shared_settings import shared_settings
from daemon.domain.agreement import Declared, differences

# What each node may have as it likes: its place, its size, how it is reached, how much it logs and takes at once.
OWN = {
    *("state_dir", "dev", "api.bind", "api.max_connections", "delivery.stop_grace_s", "delivery.idle_actor_s"),
    *(
        "delivery.idle_connection_s",
        "egress.nameservers",
        "egress.ca_file",
        "egress.proxy",
        "egress.proxy_password_file",
        "secrets.key_file",
        "log.level",
    ),
    *("log.format", "api.max_waiting_events", "api.max_waiting_bytes", "api.max_waiting_deliveries"),
    *("api.rate_limit_per_s", "api.rate_limit_burst", "api.operator_rate_limit_per_s", "smtp.port", "smtp.security"),
    *("api.shutdown_delay_s",),
    *("smtp.username", "smtp.password_file", "smtp.ca_file", "smtp.helo_name"),
    *("store.url", "store.password_file", "store.notify_url", "store.node_name"),
}


def names(settings: Settings) -> set[str]:
    tree = settings.model_dump(by_alias=True)
    return {
        name
        for section, value in tree.items()
        for name in ([f"{section}.{inner}" for inner in value] if isinstance(value, dict) else [section])
    }


def test_every_setting_is_compared_or_is_each_nodes_own() -> None:
    settings = Settings()
    assert set(shared_settings(settings)) | OWN == names(settings)
    assert set(shared_settings(settings)).isdisjoint(OWN)


def test_whatever_is_compared_is_told_in_a_short_text() -> None:
    many = EgressSettings(allow_networks=tuple(ip_network(f"10.{number}.0.0/16") for number in range(200)))
    one, two = (EventTypeSettings(name="crm.lead.won", description=text) for text in ("Won", "Won at last"))
    changed = Settings(egress=many, event_types=(one,), credits=CreditsSettings(enforce=True))
    told = shared_settings(changed)
    assert all(len(value) < 100 for value in told.values())
    assert (told["credits.enforce"], told["delivery.retry_delays_s"]) == ("true", "1, 2, 4")
    assert told["event_types"] != shared_settings(Settings(event_types=(two,)))["event_types"]
    assert shared_settings(Settings(retention=RetentionSettings(days=7)))["retention.days"] == "7"


def test_the_node_that_most_others_are_unlike_is_the_one_that_differs() -> None:
    nodes = [Declared(name, {"a": "1", "b": "2"}) for name in "uvwxy"]
    odd = Declared("odd", {"a": "1", "b": "3"})
    *others, told = differences([*nodes, odd])
    assert others == [[]] * 5
    assert told == ["b is 3 on odd, and 2 on u, v, w and 2 more"]


def test_of_two_the_older_one_is_right_and_what_one_does_not_say_is_no_difference() -> None:
    older, newer = Declared("older", {"a": "1"}), Declared("newer", {"a": "2", "b": "1"})
    assert differences([older, newer]) == [[], ["a is 2 on newer, and 1 on older"]]
    assert differences([older, Declared("silent", {})]) == [[], []]
    assert differences([]) == []
