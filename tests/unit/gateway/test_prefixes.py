import pytest

from gateway import prefixes
from gateway.settings import GatewaySettings

URLS = {"auth_url": "http://auth:8000", "catalog_url": "http://catalog:8000"}
NO_PREFIXES = ["/", "pics", "/pics/", "//pics", "/a//b", "/..", "/a/./b", "/a b", "/ä", "/%70", "/a?b", "/a>b", "/api",
               "/api/x", "/" + "x" * 300, "/a\n", "https://host/a"]  # fmt: skip


@pytest.mark.parametrize("prefix", ["/pics", "/a/b-c/d.e_f~g", "/apis", "/a/api"])
def test_absolute_paths_are_prefixes(prefix: str) -> None:
    assert GatewaySettings.model_validate({**URLS, "path_prefix": prefix}).path_prefix == prefix


@pytest.mark.parametrize("prefix", NO_PREFIXES)
def test_anything_else_is_refused_at_start_and_ignored_in_the_header(prefix: str) -> None:
    with pytest.raises(ValueError, match="must"):
        GatewaySettings.model_validate({**URLS, "path_prefix": prefix})
    if prefix.strip() == prefix.rstrip("/"):  # else the header is stripped first, and then valid
        assert prefixes.forwarded(prefix) == ""


@pytest.mark.parametrize(
    ("header", "prefix"), [("", ""), ("/pics", "/pics"), ("/pics/", "/pics"), ("/forged, /pics", "/pics"), ("/", "")]
)
def test_header_of_the_nearest_proxy_counts(header: str, prefix: str) -> None:
    assert prefixes.forwarded(header) == prefix
