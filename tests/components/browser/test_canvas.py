"""The canvas in a real browser: equal to the renderer, in place, without traffic, for the eye, the hand and the ear."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import streamlit as st
from playwright.sync_api import Browser, Locator, Page, ViewportSize, WebSocket, expect

from components.browser.canvas import Drawn, _read_view, read_drawn
from explain.maps.heatmap import describe_peak
from explain.maps.render import RenderSettings, format_number, overlay, place, value_range
from explain.methods.base import Painting
from explain.pictures.geometry import Box

HEIGHT, WIDTH = 210, 300
SIZE: ViewportSize = {"width": 1400, "height": 1000}
BOXES = {
    "crop": Box(45.0, 0.0, 255.0, 210.0),
    "pad": Box(-20.5, -30.0, 340.25, 230.0),
    "blank": Box(0.0, 0.0, 300.0, 210.0),
}
BOXES["fine"] = BOXES["crop"]

APP = """
from pathlib import Path

import numpy as np
import streamlit as st

from components.browser.canvas import Choice, Outline, Pane, Row, canvas
from explain.maps.render import RenderSettings
from explain.pictures.geometry import Box

st.set_page_config(layout="wide")
inputs = np.load(Path(__file__).with_name("inputs.npz"))
BOXES = {boxes}
CHOICES = (Choice("cat", 0.93, True, "explain:3"), Choice("dog", 0.06, False, "explain:5"))


@st.fragment
def show():
    strength = st.slider("strength", 1, 9, 1)
    view = RenderSettings(opacity=0.2) if st.toggle("another view") else RenderSettings()
    broken = np.array([[1.0, np.nan]], dtype=np.float32)
    panes = [
        Pane("plain", "Picture", "As it came.", choices=CHOICES),
        Pane(
            *("crop", "Grad-CAM", "Cropped.", "12 ms", ("Mind the gap.",), inputs["crop"], BOXES["crop"]),
            alt="A cat",
            unit="grad-cam",
            outlines=[Outline("", [[(30.0, 20.0), (90.0, 20.0), (60.0, 70.0)]])],
            outlined="High in 7 % of the picture",
        ),
        Pane("pad", "CF-CAM", "Padded.", "48 ms", (), inputs["pad"] * strength, BOXES["pad"], strength=0.5),
        Pane("blank", "Eigen-CAM", "Blank.", "3 ms", (), np.zeros((4, 4), np.float32), BOXES["blank"]),
        Pane("fine", "Gradients", values=inputs["fine"], box=BOXES["crop"], painting="fine"),
        Pane("none", "Prompt-CAM " * 9, "", message="Needs a ViT with prompts.", action=("Use photo-vit", "photo-vit")),
        Pane("broken", "Broken", values=broken),
    ]
    rows = [Row("small", "cat.png", inputs["pixels"], "a" * 64, panes, "tabby cat 93 %", sentence="Cat, 93 %.")]
    large = np.repeat(np.repeat(inputs["pixels"], 10, axis=0), 10, axis=1)
    twice = Pane("crop", "Grad-CAM", values=2 * inputs["crop"], unit="grad-cam")
    rows.append(Row("large", "scan.png", large, "b" * 64, [twice]))
    grey = np.repeat(inputs["pixels"][..., :1], 3, axis=2)
    rows.append(Row("grey", "slice.png", grey, "c" * 64, [Pane("crop", "Grad-CAM", values=inputs["crop"])]))
    answer = canvas(rows, view, key="canvas")
    st.text(f"python knows opacity {{answer.view.opacity}}, {{answer.view.colour_table}}")
    if answer.event:
        st.text(f"pressed {{answer.event.row}} {{answer.event.pane}} {{answer.event.action}}")


show()
"""


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    """A picture of noise, half of it black, and maps with values on both sides of zero."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[: HEIGHT // 2] = rng.integers(0, 256, (HEIGHT // 2, 1, 3), dtype=np.uint8)
    crop = rng.normal(0.2, 1, (7, 7)).astype(np.float32)
    fine = rng.standard_t(2, (70, 70)).astype(np.float32)
    return {"pixels": pixels, "crop": crop, "pad": rng.normal(0, 0.3, (5, 9)).astype(np.float32), "fine": fine}


@pytest.fixture(scope="module")
def address(
    serve: Callable[[Path | str], str], inputs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> str:
    folder = tmp_path_factory.mktemp("canvas")
    np.savez(folder / "inputs.npz", **inputs)
    (folder / "app.py").write_text(APP.format(boxes=BOXES), encoding="utf-8")
    return serve(folder / "app.py")


class Traffic(list[int]):
    """Sizes in bytes of what went over the page's web sockets, both ways."""

    def listen(self, socket: WebSocket) -> None:
        for direction in ("framesent", "framereceived"):
            socket.on(direction, lambda frame: self.append(len(frame)))


@pytest.fixture
def traffic(page: Page) -> Traffic:
    sizes = Traffic()
    page.on("websocket", sizes.listen)
    return sizes


def open_grid(page: Page, address: str) -> Locator:
    """The painted canvas."""
    page.goto(address)
    grid = page.get_by_test_id("canvas-grid")
    expect(grid).not_to_have_attribute("data-version", "0")
    expect(grid.locator(".loading")).to_have_count(0)
    return grid


@pytest.fixture
def fresh_grid(page: Page, traffic: Traffic, address: str) -> Locator:
    """A canvas on a page of the test's own, whose traffic and requests are counted from the first."""
    return open_grid(page, address)


@pytest.fixture(scope="module")
def shared_grid(chromium: Browser, address: str) -> Iterator[Locator]:
    """The canvas of the tests that ask nothing of Python: opening a page costs seconds."""
    context = chromium.new_context(viewport=SIZE)
    yield open_grid(context.new_page(), address)
    context.close()


@pytest.fixture
def grid(shared_grid: Locator) -> Locator:
    """The shared canvas as it was at first."""
    shared_grid.page.set_viewport_size(SIZE)
    choose(shared_grid, RenderSettings())
    shared_grid.page.mouse.move(1, 1)
    find_canvas(shared_grid, "plain").scroll_into_view_if_needed()
    return shared_grid


def find_pane(grid: Locator, key: str, row: str = "small") -> Locator:
    return grid.locator(f"[data-row={row}] [data-pane={key}]")


def find_canvas(grid: Locator, key: str, row: str = "small") -> Locator:
    return find_pane(grid, key, row).locator("canvas[role=img]")


def read_pixels(canvas: Locator) -> np.ndarray:
    """What the canvas holds, `(H, W, 3)`, after the next frame."""
    png = canvas.evaluate(
        "canvas => new Promise(done => requestAnimationFrame(() => "
        "requestAnimationFrame(() => done(canvas.toDataURL()))))"
    )
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(png.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    return decoded[..., ::-1]


def unfold(grid: Locator) -> None:
    """Show what has no room on the toolbar's line."""
    more = grid.locator("[data-tool=more]")
    if more.is_visible() and more.get_attribute("aria-expanded") == "false":
        more.click()


def choose(grid: Locator, view: RenderSettings) -> None:
    """Set every control of the toolbar."""
    unfold(grid)
    grid.locator("[data-setting=signed]").set_checked(False)
    grid.locator("[data-setting=colour_table]").select_option(view.colour_table)
    grid.locator("[data-setting=signed]").set_checked(view.signed)
    grid.locator("[data-setting=scale]").select_option(view.scale)
    grid.locator("[data-setting=style]").select_option(view.style)
    grid.locator("[data-setting=opacity]").fill(str(view.opacity))
    grid.locator("[data-setting=threshold]").fill(str(view.threshold))


def test_every_pixel_equals_the_renderer(grid: Locator, inputs: dict[str, np.ndarray]) -> None:
    maps = {
        "crop": inputs["crop"],
        "pad": inputs["pad"],
        "blank": np.zeros((4, 4), np.float32),
        "fine": inputs["fine"],
    }
    views = [
        RenderSettings(),
        RenderSettings(style="even", colour_table="inferno", opacity=0.3, scale="shared"),
        RenderSettings(colour_table="cividis", opacity=1.0, threshold=0.3),
        RenderSettings(style="even", colour_table="turbo", opacity=0.75),
        RenderSettings(opacity=0.6, signed=True),
        RenderSettings(style="even", opacity=0.6, signed=True, scale="shared"),
        RenderSettings(opacity=0.0),
    ]
    np.testing.assert_array_equal(read_pixels(find_canvas(grid, "plain")), inputs["pixels"])
    for view in views:
        choose(grid, view)
        for key, values in maps.items():
            painting: Painting = "fine" if key == "fine" else "smooth"
            alike = [values]
            if view.scale == "shared":
                # One method's maps share a scale on whatever picture; what has no unit shares its row's.
                alike = [values, 2 * values] if key == "crop" else [maps["pad"], maps["blank"]]
            low, high = value_range(alike, view.signed, painting)
            if view.scale == "shared" and key != "crop":
                low, high = _join([value_range(alike, view.signed), value_range([maps["fine"]], view.signed, "fine")])
            strength = 0.5 if key == "pad" else 1.0
            expected = overlay(inputs["pixels"], values, BOXES[key], low, high, view, painting, strength).astype(int)
            assert np.abs(read_pixels(find_canvas(grid, key)) - expected).max() <= 1, (view, key)


def _join(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def test_a_grey_picture_has_lines_of_equal_value_unless_another_style_is_chosen(grid: Locator) -> None:
    lines = find_pane(grid, "crop", "grey").locator("path.line")
    find_pane(grid, "crop", "grey").scroll_into_view_if_needed()
    expect(lines).to_have_count(4)
    expect(find_pane(grid, "crop").locator("path.line")).to_have_count(0)
    grid.locator("[data-setting=style]").select_option("fading")
    expect(lines).to_have_count(0)


def test_the_controls_cost_no_traffic_and_python_knows_after_the_hand_has_left(
    page: Page, fresh_grid: Locator, traffic: Traffic
) -> None:
    grid = fresh_grid
    slider = grid.locator("[data-setting=opacity]")
    slider.hover()
    page.wait_for_timeout(300)
    before, first = len(traffic), read_pixels(find_canvas(grid, "crop"))
    for step in range(20):
        slider.fill(str(round(step * 0.05, 2)))
    grid.locator("[data-setting=colour_table]").select_option("inferno")
    page.wait_for_timeout(300)
    assert np.abs(read_pixels(find_canvas(grid, "crop")).astype(int) - first).max() > 20
    assert traffic[before:] == []
    page.mouse.move(1, 1)
    expect(page.get_by_text("python knows opacity 0.95, inferno")).to_be_visible()
    assert float(slider.input_value()) == 0.95
    # A view of Python's own making replaces the person's, here and there.
    page.get_by_text("another view").click()
    expect(page.get_by_text("python knows opacity 0.2, viridis")).to_be_visible()
    expect(slider).to_have_value("0.2")


def test_new_maps_are_painted_in_place(page: Page, fresh_grid: Locator, traffic: Traffic, requests: Any) -> None:
    grid = fresh_grid
    for canvas in grid.locator("canvas[role=img]").all():
        canvas.evaluate("canvas => { canvas.kept = true; }")
    version, before = grid.get_attribute("data-version"), len(traffic)
    page.get_by_role("slider", name="strength").press("ArrowRight")
    expect(find_pane(grid, "pad")).to_have_attribute("data-version", "2")
    expect(grid).not_to_have_attribute("data-version", version or "")
    page.wait_for_timeout(300)
    for key in ("plain", "crop", "blank", "none", "broken"):
        expect(find_pane(grid, key)).to_have_attribute("data-version", "1")
    assert grid.locator("canvas[role=img]").evaluate_all("all => all.every(canvas => canvas.kept)")
    assert len([address for address in requests if re.search(r":\d+/media/", address)]) == 4, (
        "each picture is fetched once, and so is the script"
    )
    assert 0 < sum(traffic[before:]) < 100_000
    assert find_pane(grid, "pad").locator(".scale .number").all_inner_texts()[-1] != ""
    assert requests.to_other_hosts == []


def test_a_button_comes_back_once(page: Page, fresh_grid: Locator) -> None:
    grid = fresh_grid
    grid.get_by_role("button", name="Use photo-vit").click()
    expect(page.get_by_text("pressed small none photo-vit")).to_be_visible()
    page.get_by_role("slider", name="strength").press("ArrowRight")
    expect(page.get_by_text("pressed small none photo-vit")).to_have_count(0)


def test_a_choice_shows_its_share_and_comes_back(grid: Locator) -> None:
    chosen, other = grid.locator(".choice").all()
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(chosen).to_contain_text("cat")
    expect(chosen).to_contain_text("93")
    expect(other).to_have_attribute("aria-pressed", "false")
    other.click()
    expect(grid.page.get_by_text("pressed small plain explain:5")).to_be_visible()


@pytest.mark.parametrize(("x", "y"), [(150, 100), (60, 200), (20, 30), (290, 5)])
def test_the_crosshair_reads_the_same_place_in_every_pane(
    grid: Locator, inputs: dict[str, np.ndarray], x: int, y: int
) -> None:
    page = grid.page
    frame = find_canvas(grid, "plain").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + (x + 0.5) * frame["width"] / WIDTH, frame["y"] + (y + 0.5) * frame["height"] / HEIGHT)
    expect(find_pane(grid, "plain").locator(".readout")).to_have_text(f"x {x}, y {y}")
    for key in ("crop", "pad"):
        value = place(np.maximum(inputs[key], 0), BOXES[key], (HEIGHT, WIDTH))[y, x]
        expected = "not seen" if np.isnan(value) else format_number(float(value))
        expect(find_pane(grid, key).locator(".readout")).to_have_text(expected)
    page.mouse.move(1, 1)
    expect(find_pane(grid, "crop").locator(".readout")).to_be_hidden()


def test_the_crosshair_follows_the_arrow_keys(grid: Locator) -> None:
    canvas, readout = find_canvas(grid, "plain"), find_pane(grid, "plain").locator(".readout")
    grid.page.keyboard.press("Tab")  # the frame round what has the focus is for who moves by keys
    canvas.focus()
    assert canvas.evaluate("canvas => getComputedStyle(canvas).outlineStyle") == "solid"
    canvas.press("Shift+ArrowRight")
    expect(readout).to_have_text(f"x {WIDTH // 2 + 1}, y {HEIGHT // 2}")
    canvas.press("Shift+ArrowDown")
    expect(readout).to_have_text(f"x {WIDTH // 2 + 1}, y {HEIGHT // 2 + 1}")
    canvas.press("Escape")
    expect(readout).to_be_hidden()


def test_what_is_said_in_words(grid: Locator, inputs: dict[str, np.ndarray]) -> None:
    peak = describe_peak(inputs["crop"], BOXES["crop"], HEIGHT, WIDTH)
    expect(find_canvas(grid, "crop")).to_have_attribute("aria-label", f"A cat, {peak}.")
    expect(find_pane(grid, "crop")).to_contain_text("⚠")
    expect(find_pane(grid, "crop")).to_contain_text("Mind the gap.")
    expect(find_pane(grid, "crop")).to_contain_text("12 ms")
    expect(find_pane(grid, "blank")).to_contain_text("0 everywhere")
    expect(grid.locator("[data-row=small]").get_by_test_id("canvas-sentence")).to_have_text("Cat, 93 %.")
    assert grid.get_by_test_id("canvas-sentence").evaluate_all("all => all.filter((one) => !one.hidden).length") == 1
    expect(find_pane(grid, "crop")).to_contain_text("High in 7 % of the picture")
    assert find_pane(grid, "crop").locator(".part").get_attribute("d") == "M30 20L90 20L60 70Z"
    assert not find_pane(grid, "pad").locator(".part").count()
    expect(find_pane(grid, "none")).to_contain_text("Needs a ViT with prompts.")
    expect(find_pane(grid, "broken")).to_contain_text("values that are not numbers")
    expect(grid.locator("[data-row=small]")).to_contain_text("the model did not see it")
    _, high = value_range([inputs["crop"]], signed=False)
    expect(find_pane(grid, "crop").locator(".scale")).to_contain_text(format_number(high))
    unfold(grid)
    for name in ("Opacity", "Style", "Colours", "Scale", "Signed", "Threshold"):
        expect(grid.get_by_label(re.compile(name))).to_be_visible()


def test_a_large_picture_is_sharp_on_the_screen_and_says_that_it_was_reduced(grid: Locator) -> None:
    expect(grid.locator("[data-row=large]")).to_contain_text("Shown at 2048 × 1434 of its 3000 × 2100 pixels")
    canvas = find_canvas(grid, "crop", "large")
    canvas.scroll_into_view_if_needed()
    expect(find_pane(grid, "crop", "large")).to_have_attribute("data-version", "1")
    held, shown = canvas.evaluate("canvas => [canvas.width, canvas.clientWidth * devicePixelRatio]")
    assert shown <= held <= 2 * shown


@pytest.mark.parametrize("width", [1400, 800, 390])
def test_nothing_sticks_out_at_any_width(grid: Locator, width: int) -> None:
    grid.page.set_viewport_size({"width": width, "height": 900})
    grid.page.wait_for_timeout(200)
    widest = grid.evaluate(
        "grid => Math.max(...[...grid.querySelectorAll('*')].map(e => e.getBoundingClientRect().right))"
        " - grid.getBoundingClientRect().right"
    )
    assert widest <= 1
    narrowest = min(canvas["width"] for canvas in map(_frame, grid.locator("[data-row=small] canvas[role=img]").all()))
    assert narrowest >= 150
    title = find_pane(grid, "none").locator(".pane-title")
    assert title.evaluate("title => title.scrollWidth > title.clientWidth && title.title.length > 90")


def _frame(canvas: Locator) -> dict[str, Any]:
    frame = canvas.bounding_box()
    assert frame is not None
    return dict(frame)


def test_a_report_counts_unless_python_has_changed_its_mind() -> None:
    default, chosen, linked = RenderSettings(), RenderSettings(opacity=0.8), RenderSettings(opacity=0.1)
    report = {"given": default.model_dump(), "chosen": chosen.model_dump()}
    assert _read_view(report, default) == chosen
    assert _read_view(report, chosen) == chosen
    assert _read_view(report, linked) == linked
    for nonsense in (None, "x", {}, {"given": {}, "chosen": {"opacity": 7}}):
        assert _read_view(nonsense, default) == default


@pytest.mark.parametrize(
    "reported",
    [
        None,
        "box",
        {"digest": "a"},
        {"digest": 3, "corners": [[0, 0], [1, 0], [1, 1]]},
        {"digest": "a", "corners": [[0, 0], [1, 1]]},
        {"digest": "a", "corners": [[0, 0], [1, 0], [1, "x"]]},
        {"digest": "a", "corners": [[0, 0], [1, 0], [1, float("nan")]]},
        {"digest": "a", "corners": [[0, 0, 0]] * 3},
        {"digest": "a", "corners": [[0, 0]] * 5000},
        {"digest": "a", "corners": [[0], [1, 2], [3, 4]]},
    ],
)
def test_an_outline_that_makes_no_sense_is_none(reported: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {"canvas": {"drawn": reported}})
    assert read_drawn("canvas") is None
    assert read_drawn("elsewhere") is None


def test_an_outline_comes_with_the_picture_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = {"digest": "a", "corners": [[0, 0], [4, 0], [4.5, 3]]}
    monkeypatch.setattr(st, "session_state", {"canvas": {"drawn": reported}})
    assert read_drawn("canvas") == Drawn("a", ((0, 0), (4, 0), (4.5, 3)))
