import ssl
from collections.abc import AsyncIterator, Callable

import pytest

from daemon.egress.deadlines import Deadlines
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.resolver import Resolve
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules
from tests.egress.posting import LOOPBACK, lookups_by, resolving_to
from tests.support.tls import TestAuthority, make_authority

MakeTransport = Callable[..., EndpointTransport]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def client_tls(authority: TestAuthority) -> ssl.SSLContext:
    return make_tls_context(authority.ca_file)


@pytest.fixture
async def make_transport(client_tls: ssl.SSLContext) -> AsyncIterator[MakeTransport]:
    made: list[EndpointTransport] = []

    def make(
        resolve: Resolve | None = None,
        rules: EgressRules = LOOPBACK,
        idle_s: float = 30,
        proxy: OperatorProxy | None = None,
    ) -> EndpointTransport:
        lookups = lookups_by(resolve or resolving_to("127.0.0.1"))
        transport = EndpointTransport(
            rules, lookups, client_tls, deadlines=Deadlines(), idle_s=idle_s, operator_proxy=proxy
        )
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def transport(make_transport: MakeTransport) -> EndpointTransport:
    return make_transport()
