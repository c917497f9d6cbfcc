import pytest

from turnout.client.address import Address, parse_url
from turnout.errors import ConfigError

GOOD = {
    "http://localhost:80": Address("rest", secure=False, host="localhost", port=80),
    "http://example.org": Address("rest", secure=False, host="example.org", port=8501),
    "https://example.org/": Address("rest", secure=True, host="example.org", port=443),
    "grpc://[::1]:1": Address("grpc", secure=False, host="::1", port=1),
    "grpcs://example.org:9": Address("grpc", secure=True, host="example.org", port=9),
    "http+unix:///run/turnout.sock": Address("rest", secure=False, host="", port=0, socket_path="/run/turnout.sock"),
    "grpc+unix:///run/a%20b": Address("grpc", secure=False, host="", port=0, socket_path="/run/a b"),
}
BAD = ["", "localhost:8501", "ftp://x", "http://", "http://x:port", "http://x:99999", "http://x/v1", "http://x?a=1"]


@pytest.mark.parametrize("url", GOOD)
def test_reads_urls(url: str) -> None:
    assert parse_url(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_refuses_other_forms(url: str) -> None:
    with pytest.raises(ConfigError, match="form that is not understood"):
        parse_url(url)


def test_says_how_a_socket_is_written() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url("unix:/run/turnout.sock")
    assert "`grpc+unix:///PATH`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("url", "authority", "is_local"),
    [
        ("http://[::1]:5", "[::1]:5", True),
        ("http://127.0.0.9:5", "127.0.0.9:5", True),
        ("http://10.0.0.1:5", "10.0.0.1:5", False),
    ],
)
def test_authority(url: str, authority: str, is_local: bool) -> None:
    address = parse_url(url)
    assert (address.authority, address.is_local) == (authority, is_local)
