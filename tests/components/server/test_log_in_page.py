"""The page to log in: a way by each provider, nothing a name could put into it, and the way back to what was wanted."""

import pytest

from components.server.log_in_page import WAY_BACK, build_log_in_page, check_way_back
from tests.support.server import NAME, guard, make_identity, make_login, sign, visit


def test_one_provider_is_not_named_and_several_are() -> None:
    assert ">Log in</a>" in build_log_in_page(["default"])
    page = build_log_in_page(["keycloak", '"><script>x'])
    assert ">Log in with keycloak</a>" in page
    assert "<script" not in page and page.count("<a ") == 2


@pytest.mark.parametrize("wanted", ["/", "/layers", "/layers?model=photo-cnn&verdicts=0", "/?a=%2F%0d"])
def test_a_page_with_its_choices_is_a_way_back(wanted: str) -> None:
    assert check_way_back(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "layers",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/layers?a\r\nb",
        "/a/b",
        "/" + "a" * 3_000,
    ],
)
def test_everything_else_is_none(wanted: str) -> None:
    assert check_way_back(wanted) == ""


def test_a_link_leads_to_its_view_by_way_of_the_log_in() -> None:
    with visit(guard(login=make_login())) as client:
        page = client.get("/layers?model=photo-cnn&k=%22", headers={"accept": "text/html"}).text
        assert 'href="./log-in?with=default&amp;to=%2Flayers%3Fmodel%3Dphoto-cnn%26k%3D%2522"' in page
        cookies = f"{NAME}={sign(make_identity())}; {WAY_BACK}=%2Flayers%3Fmodel%3Dphoto-cnn"
        headers = {"accept": "text/html", "cookie": cookies}
        back = client.get("/", headers=headers, follow_redirects=False)
        assert (back.status_code, back.headers["location"]) == (302, "/layers?model=photo-cnn")
        assert f'{WAY_BACK}=""' in back.headers["set-cookie"] and "Max-Age=0" in back.headers["set-cookie"]
        headers["cookie"] = cookies.replace("%2Flayers", "%2F%2Fevil.example")
        assert client.get("/", headers=headers, follow_redirects=False).status_code == 200
