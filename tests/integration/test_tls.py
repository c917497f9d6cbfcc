"""TLS on both doors, with clients of other makers, client certificates, and renewals while the server runs."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import requests

import turnout
from tests.support.certificates import Authority, Pair
from tests.support.models import FLOWERS, IRIS, LABELS
from tests.support.served import wait_for
from turnout.errors import ConfigError, UnavailableError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by `openssl`")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("server")


@contextmanager
def serve(folder: Path, pair: Pair, **settings: Any) -> Generator[turnout.Server]:
    files = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    options = {"cache_dir": str(folder / "cache"), "loops": 1, **files, **settings}
    with turnout.Server(IRIS, settings=options) as server:
        server.wait_ready(20)
        yield server


def labels(url: str, **tls: Any) -> list[int]:
    with turnout.Client(url, timeout_ms=5_000, **tls) as client:
        return client.predict("iris", FLOWERS)["label"].tolist()


def test_both_doors_answer_clients_that_trust_the_authority(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    with serve(tmp_path, pair) as server:
        assert server.rest_url.startswith("https://127.0.0.1:")
        assert server.grpc_url.startswith("grpcs://127.0.0.1:")
        for url in (server.rest_url, server.grpc_url):
            assert labels(url, ca_path=authority.certificate) == LABELS


async def ask(url: str, authority: Authority) -> list[int]:
    async with turnout.AsyncClient(url, ca_path=authority.certificate) as client:
        return (await client.predict("iris", FLOWERS))["label"].tolist()


def test_the_asynchronous_client_speaks_it_too(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    import asyncio

    with serve(tmp_path, pair) as server:
        for url in (server.rest_url, server.grpc_url):
            assert asyncio.run(ask(url, authority)) == LABELS


def test_clients_of_other_makers_are_served(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    with serve(tmp_path, pair) as server:
        ready = requests.get(f"{server.rest_url}/readyz", verify=str(authority.certificate), timeout=5)
        assert ready.json()["ready"] is True
        command = ["curl", "-s", "--cacert", str(authority.certificate), f"{server.rest_url}/v1/models/iris"]
        assert '"AVAILABLE"' in subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
        credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        with grpc.secure_channel(server.grpc_address, credentials) as channel:
            check = cast(
                "grpc.UnaryUnaryMultiCallable[bytes, bytes]", channel.unary_unary("/grpc.health.v1.Health/Check")
            )
            assert check(b"", timeout=5) == b"\x08\x01"


def test_who_does_not_trust_or_does_not_speak_tls_gets_nothing(tmp_path: Path, pair: Pair) -> None:
    with serve(tmp_path, pair, header_timeout_ms=500) as server:
        for url in (server.rest_url, server.grpc_url):
            with pytest.raises(UnavailableError):
                labels(url)
            with pytest.raises(UnavailableError):
                labels(url.replace("https", "http").replace("grpcs", "grpc"))
        host, port = server.grpc_address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as silent:
            begun_s = time.monotonic()
            assert silent.recv(1) == b"", "the handshake has a time limit"
            assert time.monotonic() - begun_s < 4


def test_large_requests_and_answers_arrive_whole(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    rows = 200_000
    with serve(tmp_path, pair) as server, turnout.Client(server.rest_url, ca_path=authority.certificate) as client:
        answer = client.predict("iris", [FLOWERS[0]] * rows)
        assert (answer["label"] == LABELS[0]).all()
        assert len(answer["label"]) == rows


def test_a_client_has_to_show_a_certificate_where_one_is_asked_for(tmp_path: Path, pair: Pair) -> None:
    clients = Authority(tmp_path / "clients", "clients")
    others = Authority(tmp_path / "others", "others")
    known, unknown = clients.issue("ada", "client"), others.issue("mallory", "client")
    trusted = {"ca_path": pair.certificate.parent / "authority.pem"}
    with serve(tmp_path, pair, tls_client_ca=str(clients.certificate)) as server:
        for url in (server.rest_url, server.grpc_url):
            shown = {"certificate_path": known.certificate, "key_path": known.key}
            assert labels(url, **trusted, **shown) == LABELS
            for wrong in ({}, {"certificate_path": unknown.certificate, "key_path": unknown.key}):
                with pytest.raises(UnavailableError):
                    labels(url, **trusted, **wrong)


def test_one_door_alone_may_speak_tls(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    with serve(tmp_path, pair, tls_doors="grpc") as server:
        assert server.rest_url.startswith("http://")
        assert labels(server.rest_url) == LABELS
        assert labels(server.grpc_url, ca_path=authority.certificate) == LABELS


def presented(server: turnout.Server, authority: Authority) -> int:
    """The serial number of the certificate that a new connection is shown."""
    host, port = server.rest_url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=authority.certificate)
    plain = socket.create_connection((host, int(port)), timeout=5)
    with context.wrap_socket(plain, server_hostname=host) as secure:
        shown: Any = secure.getpeercert()
        return int(shown["serialNumber"], 16)


def test_renewed_certificates_are_taken_up_and_wrong_ones_are_not(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("turnout.serving.certificates.LOOK_S", 0.05)
    caplog.set_level("INFO", "turnout.serving.certificates")
    first, second = authority.issue("first"), authority.issue("second")
    live = Pair(tmp_path / "live.pem", tmp_path / "live.key")
    shutil.copy(first.certificate, live.certificate)
    shutil.copy(first.key, live.key)
    with serve(tmp_path, live) as server, turnout.Client(server.rest_url, ca_path=authority.certificate) as lasting:
        lasting.predict("iris", FLOWERS)
        before = presented(server, authority)
        shutil.copy(second.certificate, live.certificate)
        wait_for(lambda: "cannot be used" in caplog.text, "a half renewal is reported")
        assert presented(server, authority) == before
        shutil.copy(second.key, live.key)
        wait_for(lambda: presented(server, authority) != before, "the renewal is taken up")
        lasting.predict("iris", FLOWERS)
    assert caplog.text.count("cannot be used") == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_certificate": "absent.pem"}, r"the certificate for TLS cannot be read: .*`absent.pem`"),
        ({"tls_key": str(IRIS)}, "the private key for TLS cannot be read"),
        ({"tls_client_ca": str(IRIS)}, "the certificate for TLS cannot be read: there is none in it"),
    ],
)
def test_wrong_files_are_named_at_the_start(tmp_path: Path, pair: Pair, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message), serve(tmp_path, pair, **settings):
        pass


def test_a_key_that_does_not_fit_is_refused(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    other = authority.issue("other")
    mixed = Pair(pair.certificate, other.key)
    with pytest.raises(ConfigError, match="certificate and private key for TLS do not fit"), serve(tmp_path, mixed):
        pass


def test_settings_that_are_of_no_use_alone_are_refused(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(ConfigError, match=r"`tls_certificate` \(.*\) is of no use without `tls_key`"):
        turnout.Server(IRIS, settings={"tls_certificate": str(pair.certificate)})
    with pytest.raises(ConfigError, match=r"`tls_client_ca` \(.*\) is of no use without `tls_certificate`"):
        turnout.Server(IRIS, settings={"tls_client_ca": str(pair.certificate)})


def test_a_client_says_which_of_its_files_are_wrong(tmp_path: Path, pair: Pair) -> None:
    for url in ("https://127.0.0.1:1", "grpcs://127.0.0.1:1"):
        with pytest.raises(ConfigError, match=r"the files for TLS cannot be used: .*absent"):
            turnout.Client(url, ca_path=tmp_path / "absent.pem")
        with pytest.raises(ConfigError, match="the files for TLS cannot be used"):
            turnout.Client(url, certificate_path=pair.certificate, key_path=IRIS)
