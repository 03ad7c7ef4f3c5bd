import ssl
from collections.abc import Mapping

import pytest

from daemon.egress.tls import make_tls_context
from tests.faults.hell_server import Certificate
from tests.faults.hell_tls import server_contexts
from tests.support.tls import TestAuthority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def client_tls(authority: TestAuthority) -> ssl.SSLContext:
    return make_tls_context(authority.ca_file)


@pytest.fixture(scope="session")
def server_tls(
    authority: TestAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Certificate, ssl.SSLContext]:
    return server_contexts(authority, tmp_path_factory.mktemp("certificates"))
