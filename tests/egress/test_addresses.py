from ipaddress import ip_address, ip_network

import pytest

from daemon.egress.addresses import parse_address, refusal, verdict_on

NOT_PUBLIC = [
    # IPv4: the IANA special-purpose registry, multicast, metadata services
    ("0.0.0.0", "unspecified"),
    ("0.0.0.1", "this_network"),
    ("0.255.255.255", "this_network"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.0", "carrier_grade_nat"),
    ("100.127.255.255", "carrier_grade_nat"),
    ("100.100.100.200", "metadata"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("168.63.129.16", "metadata"),
    ("169.254.0.1", "link_local"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.1", "protocol_assignments"),
    ("192.0.0.192", "metadata"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "deprecated_relay"),
    ("192.168.0.1", "private"),
    ("192.168.255.255", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.254", "reserved"),
    ("255.255.255.255", "broadcast"),
    # IPv6
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::2", "this_network"),
    ("100::1", "discard"),
    ("100:0:0:1::1", "discard"),
    ("2001::1", "reserved"),
    ("2001:1::1", "protocol_assignments"),
    ("2001:2::1", "benchmarking"),
    ("2001:10::1", "protocol_assignments"),
    ("2001:20::1", "protocol_assignments"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("5f00::1", "segment_routing"),
    ("fc00::1", "unique_local"),
    ("fd12:3456::1", "unique_local"),
    ("fd00:ec2::254", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("fe80::1", "link_local"),
    ("fe80::1%eth0", "link_local"),
    ("fec0::1", "site_local"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    ("4000::1", "reserved"),
    ("1::1", "reserved"),
    ("fe00::1", "reserved"),
    ("0:0:0:0:ffff:0:7f00:1", "reserved"),  # RFC 2765, IPv4-translated
    # IPv4 inside IPv6: mapped, compatible, NAT64, local NAT64, 6to4, Teredo
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.1.2.3", "private"),
    ("::ffff:169.254.169.254", "metadata"),
    ("::127.0.0.1", "loopback"),
    ("::8.8.8.8", "reserved"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::a00:1", "private"),
    ("64:ff9b::a9fe:a9fe", "metadata"),
    ("64:ff9b:1::7f00:1", "loopback"),
    ("64:ff9b:1::808:808", "local_nat64"),
    ("2002:7f00:1::", "loopback"),
    ("2002:c0a8:101::1", "private"),
    ("2001:0:808:808:0:0:80ff:fffe", "loopback"),  # Teredo client 127.0.0.1
    ("2001:0:808:808:0:0:f7f7:f7f7", "teredo"),  # Teredo client 8.8.8.8
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
    *(
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2a00:1450::1",
    ),
    *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2001:200::1"),
]


@pytest.mark.parametrize(("address", "verdict"), NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_with_the_name_of_its_range(address: str, verdict: str) -> None:
    assert verdict_on(ip_address(address)) == verdict


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(address: str) -> None:
    assert verdict_on(ip_address(address)) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("::1", "::1/128"),
        ("fd12::1", "fd00::/8"),
        ("fe80::1%eth0", "fe80::/10"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "10.0.0.0/8"),
        ("64:ff9b:1::808:808", "64:ff9b:1::/48"),
        ("169.254.169.254", "169.254.0.0/16"),
    ],
)
def test_an_allowed_network_wins_over_the_table_for_the_address_and_for_what_it_carries(
    address: str, network: str
) -> None:
    assert verdict_on(ip_address(address)) is not None
    assert verdict_on(ip_address(address), (ip_network(network),)) is None


def test_an_allowed_network_allows_nothing_beside_itself() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd12::/32"))
    assert verdict_on(ip_address("10.2.0.1"), allowed) == "private"
    assert verdict_on(ip_address("fd13::1"), allowed) == "unique_local"
    assert verdict_on(ip_address("::1"), allowed) == "loopback"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("::1", "::1"),
        ("::ffff:7f00:1", "::ffff:7f00:1"),
    ],
)
def test_numeric_hosts_are_the_addresses_that_the_resolver_makes_of_them(host: str, address: str) -> None:
    assert parse_address(host) == ip_address(address)


@pytest.mark.parametrize(
    "host", ["example.com", "1.2.3.4.example", "0x7g", "256.256.256.256", "", "1.2.3.4.5", "ünïcode"]
)
def test_a_name_is_no_address(host: str) -> None:
    assert parse_address(host) is None


def test_one_bad_address_refuses_the_whole_name_and_the_sentence_names_the_rule_and_what_to_do() -> None:
    refused = refusal("hooks.example.com", [ip_address("8.8.8.8"), ip_address("10.1.2.3")])
    assert refused is not None
    assert refused.sentence.startswith("hooks.example.com resolves to an address that is not public (private): ")
    assert "egress.allow_networks" in refused.sentence


def test_only_the_operator_is_told_which_address_a_name_leads_to() -> None:
    refused = refusal("hooks.example.com", [ip_address("10.1.2.3")])
    assert refused is not None
    assert "10.1.2.3" not in refused.sentence
    assert refused.detail == "hooks.example.com is 10.1.2.3"


def test_an_address_given_as_the_host_is_named_once_in_the_sentence() -> None:
    refused = refusal("127.1", [ip_address("127.0.0.1")])
    assert refused is not None
    assert refused.sentence.startswith("127.1 is not a public address (loopback)")


def test_a_name_whose_addresses_are_all_public_is_not_refused() -> None:
    assert refusal("dns.example", [ip_address("8.8.8.8"), ip_address("2001:4860:4860::8888")]) is None
