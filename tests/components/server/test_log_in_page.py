"""The page to log in: a way by each provider, and nothing a name could put into it."""

from components.server.log_in_page import build_log_in_page


def test_one_provider_is_not_named_and_several_are() -> None:
    assert ">Log in</a>" in build_log_in_page(["default"])
    page = build_log_in_page(["keycloak", '"><script>x'])
    assert ">Log in with keycloak</a>" in page
    assert "<script" not in page and page.count("<a ") == 2
