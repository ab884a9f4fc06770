"""The viewer of scenes, opened from disk without network in a real browser."""

import shutil

import numpy as np
import pytest
import scenes
from viewing import BLUE, ROOT, VERMILION, drawn, pixels, seen, state, until

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["plane", "solid", "sampled", "long", "still", "linear"])
def test_scene_opens_offline_in_silence_and_fits(visit, name, width, dark):
    page = visit(name, width=width, dark=dark)
    now = state(page)
    assert (now["renderer"], now["t"], now["dark"]) == ("webgl2", 0, dark)
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner
    image = drawn(page)
    reach = 75 if name in ("solid", "sampled") else 40  # marks in the distance take on the color of the paper
    assert pixels(image, VERMILION, reach) > 30
    assert pixels(image, BLUE, reach) > 30
    corner = image.getpixel((5, image.height // 2))
    assert (sum(corner) < 150) == dark


def test_slider_moves_the_data_as_the_program_says(visit):
    """Where the points of a class stand on the screen agrees with the slow evaluator."""
    import flows

    page = visit("plane")
    scene = scenes.plane()
    frames = [{"matrix": m, "center": c} for m, c in scene.view.frames]
    for key in ("g", "b"):
        page.locator(".stage").focus()
        page.keyboard.press(key)
    for t in (0.0, 1.5, 2.0):
        page.evaluate(f"isotopy.viewers[0].seek({t})")
        image = np.asarray(drawn(page), int)
        places = flows.positions(scene.flow, scene.vertices[:40], t, frames)[::2]
        scale = min(image.shape[0], image.shape[1]) / 2 / (1.4 * 1.1)
        for x, y, _ in places[::4]:
            column, row = image.shape[1] / 2 + x * scale, image.shape[0] / 2 - y * scale
            near = image[round(row) - 2 : round(row) + 3, round(column) - 2 : round(column) + 3]
            assert np.abs(near - np.array(VERMILION)).max(axis=2).min() < 60


def test_keyboard_moves_through_time(visit):
    page = visit("plane")
    slider = page.get_by_role("slider")
    slider.focus()
    steps = [("ArrowRight", 0.01), ("PageUp", 1 / 3), ("PageUp", 2 / 3), ("PageUp", 1), ("PageDown", 2 / 3), ("End", 2)]
    steps += [("Home", 0), ("]", 1 / 3), ("]", 2 / 3), ("[", 1 / 3), ("1", 1), ("9", 2), ("0", 0)]
    for key, t in steps:
        page.keyboard.press(key)
        assert state(page)["t"] == pytest.approx(t, abs=1e-6), key
    page.keyboard.press("1")
    until(page, "document.querySelector('.isotopy-scene').shadowRoot.querySelector('input').value === '1'")
    assert "isotopy" in slider.get_attribute("aria-valuetext")


def test_keyboard_turns_overlays_and_the_picture(visit):
    page = visit("solid")
    stage = page.locator(".stage")
    stage.focus()
    before = state(page)
    assert before["available"] == ["grid", "data", "boundary", "ranks", "stretch"]
    for key, name in (("g", "grid"), ("d", "data"), ("b", "boundary"), ("r", "ranks"), ("s", "stretch")):
        page.keyboard.press(key)
        assert state(page)["overlays"][name] != before["overlays"][name]
    page.keyboard.press("p")  # this scene has no polytopes
    assert not state(page)["overlays"]["polytopes"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("+")
    turned = state(page)["camera"]
    assert turned["yaw"] > before["camera"]["yaw"]
    assert turned["tilt"] > before["camera"]["tilt"]
    assert turned["zoom"] == pytest.approx(1.2)
    page.keyboard.press("f")
    assert state(page)["camera"]["mode"] == "follow"
    page.keyboard.press("v")
    assert state(page)["camera"] == before["camera"] | {"mode": "follow"}
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    page.keyboard.press("1")
    assert state(page)["t"] == 0  # keys mean nothing behind the list
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_overlays_change_the_picture(visit):
    page = visit("plane")
    shown = drawn(page)
    page.get_by_role("button", name="Data").click()
    assert pixels(drawn(page), VERMILION) < pixels(shown, VERMILION) / 4
    page.get_by_role("button", name="Data").click()
    page.get_by_role("button", name="Boundary").click()
    tint = (247, 227, 211)
    assert pixels(shown, tint, 8) > 10 * pixels(drawn(page), tint, 8)
    page.get_by_role("button", name="Stretch").click()
    page.evaluate("isotopy.viewers[0].seek(2)")
    assert len(drawn(page).getcolors(1 << 20)) > len(shown.getcolors(1 << 20))


@pytest.mark.parametrize("name", ["still", "linear"])
def test_what_does_not_move_is_shown_without_a_slider(visit, name):
    page = visit(name)
    assert state(page)["available"] == {"still": ["data"], "linear": ["grid", "data", "boundary"]}[name]
    for role in ("slider", "group"):
        names = [entry.get_attribute("aria-label") for entry in page.get_by_role(role).all()]
        assert not {"Time", "Camera"} & set(names)
    page.locator(".stage").focus()
    for key in (" ", "]", "[", "End", "7", "f", ".", "v"):
        page.keyboard.press(key)
    now = state(page)
    assert (now["t"], now["layers"], now["playing"], now["text"]) == (0, 0, False, "Input.")
    assert page.locator(".tip dl").text_content().startswith("input")
    assert pixels(drawn(page), VERMILION) > 30


def test_the_line_of_a_linear_classifier_stands_where_it_decides(visit):
    """The line is x + y = 0."""
    page = visit("linear")
    image = np.asarray(drawn(page), int)
    height, width = image.shape[:2]
    ink = np.argwhere(np.abs(image - np.array([27, 32, 38])).max(axis=2) < 12) - (height / 2, width / 2)
    assert len(ink) > 200
    x, y, _, radius = page.evaluate(
        "JSON.parse(document.querySelector('.isotopy-scene script').textContent).camera.boxes[0]"
    )
    scale = min(height, width) / 2 / (1.1 * radius)
    # rows run down: where x + y = 0, row and column grow together
    assert np.quantile(np.abs(ink[:, 0] - ink[:, 1] - (x + y) * scale), 0.9) <= 2.5
    page.get_by_role("button", name="Boundary").click()
    assert pixels(drawn(page), (247, 227, 211), 8) < 200  # soft edges of points


def test_stretch_tints_regions(visit):
    page = visit("regions")
    page.evaluate("isotopy.viewers[0].seek(1)")
    tints = ((247, 227, 211), (211, 228, 239))
    assert seen(page, lambda image: all(pixels(image, tint, 8) > 2000 for tint in tints))
    page.get_by_role("button", name="Stretch").click()
    assert seen(page, lambda image: all(pixels(image, tint, 8) < 200 for tint in tints))
    # the middle of the ramp, and shades of the side that shrinks
    assert pixels(drawn(page), (229, 225, 233), 60) > 4000


def test_open_questions_are_said_quietly(visit):
    page = visit("linear")
    assert page.locator(".list li").text_content() == "nothing knownLinking numbers of 0 prove nothing."
    ink, border = page.locator(".pill").evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).borderColor]")
    assert (ink, border) == ("rgb(89, 98, 109)", "rgb(211, 217, 223)")


def test_play_runs_to_the_end_and_stops(visit):
    page = visit("plane")
    page.evaluate("isotopy.viewers[0].seek(1.6)")
    button = page.get_by_role("button", name="Play")
    button.click()
    assert state(page)["playing"]
    until(page, "!isotopy.state().playing")
    assert state(page)["t"] == 2
    button.click()  # from the start again
    until(page, "isotopy.state().t > 0.01 && isotopy.state().t < 1.9")
    page.locator(".stage").focus()
    page.keyboard.press("Space")
    assert not state(page)["playing"]
    assert page.evaluate("scrollY") == 0


def test_reduced_motion_jumps_between_layers(visit):
    page = visit("plane", reduced_motion="reduce")
    now = state(page)
    assert now["reduced"]
    assert not now["playing"]
    page.evaluate("""() => { window.seen = new Set(); const look = () => {
      seen.add(isotopy.state().t); requestAnimationFrame(look); }; look(); }""")
    page.get_by_role("button", name="Play").click()
    for _ in range(30):  # slow machines draw few frames a second
        if not page.evaluate("isotopy.state().playing"):
            break
        page.wait_for_timeout(300)
    assert set(page.evaluate("[...seen]")) <= {0, 1, 2}
    assert state(page)["t"] == 2


def test_hover_tells_about_the_nearest_point(visit):
    page = visit("plane")
    scene = scenes.plane()
    box = page.locator(".stage").bounding_box()
    scale = (min(box["width"], box["height"]) - 2) / 2 / (1.4 * 1.1)
    x, y = scene.vertices[1]
    page.mouse.move(box["x"] + box["width"] / 2 + x * scale + 3, box["y"] + box["height"] / 2 - y * scale)
    until(page, "isotopy.state().point === 1")
    tip = page.locator(".tip")
    until(page, "!document.querySelector('.isotopy-scene').shadowRoot.querySelector('.tip').hidden")
    words = tip.inner_text()
    assert "annulus" in words
    assert f"({x:.3g}, {y:.3g})".replace("-", "−") in words
    assert f"{scene.primitives[2].ranks[1, 0]}" in words
    bits = scene.primitives[2].codewords[1, 0]
    assert f"{bits & 1}{bits >> 1 & 1}" in words
    assert "predicted" in words
    page.mouse.move(5, 5)
    until(page, "isotopy.state().point === null")


def test_keyboard_walks_from_point_to_point(visit):
    page = visit("plane")
    page.locator(".stage").focus()
    walked = []
    for key in (".", ".", ".", ",", "Escape", ","):
        page.keyboard.press(key)
        walked.append(state(page)["point"])
    assert walked == [0, 1, 2, 1, None, 39]


def test_mouse_turns_pans_and_zooms(visit):
    page = visit("solid")
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + 300, box["y"] + 200
    before = state(page)["camera"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    assert state(page)["camera"]["zoom"] == 1  # the page keeps its scrolling until the picture is chosen
    page.mouse.down()
    page.mouse.move(x + 60, y + 20)
    page.mouse.up()
    turned = state(page)["camera"]
    assert turned["yaw"] > before["yaw"]
    assert turned["tilt"] < before["tilt"]
    page.mouse.wheel(0, -300)
    until(page, "isotopy.state().camera.zoom > 1.2")
    page.mouse.down(button="right")
    page.mouse.move(x + 90, y + 20)
    page.mouse.up(button="right")
    panned = state(page)["camera"]
    assert panned["panX"] > turned["panX"]
    assert panned["yaw"] == turned["yaw"]
    assert page.evaluate("scrollY") == 0


def test_zoom_keeps_the_point_under_the_pointer(visit):
    page = visit("plane")
    scene = scenes.plane()
    box = page.locator(".stage").bounding_box()
    scale = (min(box["width"], box["height"]) - 2) / 2 / (1.4 * 1.1)
    x, y = scene.vertices[1]
    page.locator(".stage").focus()
    place = box["x"] + box["width"] / 2 + x * scale, box["y"] + box["height"] / 2 - y * scale
    page.mouse.move(*place)
    page.mouse.wheel(0, -600)
    until(page, "isotopy.state().camera.zoom > 2")
    page.mouse.move(place[0] + 1, place[1])
    until(page, "isotopy.state().point === 1")


def test_page_scrolls_over_the_picture(visit):
    page = visit("two")
    page.mouse.move(400, 400)
    page.mouse.wheel(0, 1200)
    until(page, "scrollY > 800")
    page.mouse.wheel(0, 300)
    until(page, "scrollY > 1000")


def test_touch_turns_and_pinches(visit):
    page = visit("solid", width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def touch(kind, *points):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    before = state(page)["camera"]
    touch("touchStart", (x, y))
    touch("touchMove", (x + 40, y))
    touch("touchEnd")
    until(page, f"isotopy.state().camera.yaw > {before['yaw']} + 0.1")
    touch("touchStart", (x - 40, y), (x + 40, y))
    touch("touchMove", (x - 80, y), (x + 80, y))
    touch("touchEnd")
    until(page, "isotopy.state().camera.zoom > 1.5")


def test_mobile_has_the_stage_first_a_sticky_slider_and_large_targets(visit):
    page = visit("plane", width=390)
    stage, slider = page.locator(".stage").bounding_box(), page.locator(".transport").bounding_box()
    assert stage["y"] < slider["y"]
    assert slider["y"] + slider["height"] <= 844
    page.evaluate(f"for (const d of {ROOT}.querySelectorAll('details')) d.open = true")
    page.evaluate("scrollTo(0, 150)")
    assert page.locator(".transport").bounding_box()["y"] + slider["height"] <= 846
    small = page.evaluate("""() => [...document.querySelector('.isotopy-scene').shadowRoot
      .querySelectorAll('button:not(.stop):not(dialog *), summary, input')]
      .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)""")
    assert small == []


def test_dark_switch_overrides_the_scheme(visit):
    page = visit("plane")
    assert not state(page)["dark"]
    page.get_by_role("button", name="Dark paper").click()
    until(page, "isotopy.state().dark")
    until(page, "getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 26)'")
    page.get_by_role("button", name="Light paper").click()
    until(page, "!isotopy.state().dark")


def test_certificates_follow_the_slider(visit):
    page = visit("plane")
    heading = page.locator(".certificate h3")
    for t, words in (
        (0, "The input, not yet moved"),
        (0.4, "Isotopycomputed"),
        (1, "Isotopycomputed"),
        (1.01, "Collapseproved"),
    ):
        page.evaluate(f"isotopy.viewers[0].seek({t})")
        drawn(page)
        assert heading.text_content() == words
    assert page.locator(".list li").text_content() == "provedWidth 2 < 3: no such stack separates the classes."


def test_recorded_layers_say_that_they_are_no_isotopy(visit):
    page = visit("sampled")
    assert "Interpolated between recorded layers; not an isotopy." in page.locator(".quiet").text_content()


def test_viewers_of_one_page_are_apart(visit):
    page = visit("two")
    until(page, "isotopy.viewers.length === 2 && isotopy.state(1).frames > 0")
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("End")
    assert (state(page, 0)["t"], state(page, 1)["t"]) == (0, 2)
    page.get_by_role("button", name="Dark paper").nth(0).click()
    until(page, "isotopy.state(0).dark && !isotopy.state(1).dark")
    assert page.evaluate("isotopy.state(2)") is None


def test_nothing_but_one_name_is_global(visit):
    page = visit("plane")
    ours = page.evaluate("""() => { const frame = document.createElement('iframe'); document.body.append(frame);
      const own = new Set(Object.getOwnPropertyNames(frame.contentWindow));
      return Object.getOwnPropertyNames(window).filter(name => !own.has(name) && !/^[0-9]+$/.test(name)); }""")
    assert [name for name in ours if "playwright" not in name.lower()] == ["isotopy"]


def test_lost_context_comes_back_or_is_replaced(visit):
    page = visit("plane")
    page.evaluate("""() => { const canvas = document.querySelector('.isotopy-scene').shadowRoot.querySelector('canvas');
      window.lose = canvas.getContext('webgl2').getExtension('WEBGL_lose_context'); lose.loseContext(); }""")
    page.wait_for_timeout(100)
    page.evaluate("lose.restoreContext()")
    until(page, "isotopy.state().renderer === 'webgl2'")
    page.wait_for_timeout(100)
    assert pixels(drawn(page), VERMILION) > 30
    page.evaluate("""() => { const canvas = document.querySelector('.isotopy-scene').shadowRoot.querySelector('canvas');
      canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext(); }""")
    page.wait_for_timeout(1600)
    until(page, "isotopy.state().renderer === 'canvas2d'")
    assert pixels(drawn(page), VERMILION) > 30


@pytest.fixture(scope="module")
def without_webgl(browser):
    """A browser whose WebGL contexts are null."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    other = browser.browser_type.launch(
        executable_path=path,
        args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-software-rasterizer", "--disable-gpu"],
        ignore_default_args=["--enable-unsafe-swiftshader"],
    )
    yield other
    other.close()


@pytest.mark.parametrize("name", ["plane", "solid", "sampled"])
def test_without_webgl_a_canvas_draws_the_same(visit, without_webgl, name):
    """Both renderers show the same marks at the same places, as far as smooth edges allow."""
    simple, full = visit(name, browser=without_webgl), visit(name)
    for page in (simple, full):
        page.evaluate("isotopy.viewers[0].seek(0.8)")
    assert (state(simple)["renderer"], state(full)["renderer"]) == ("canvas2d", "webgl2")
    assert "Drawn without WebGL" in simple.locator(".note").text_content()
    a, b = drawn(simple), drawn(full)
    for color in (VERMILION, BLUE):
        one, other = pixels(a, color, 70), pixels(b, color, 70)
        assert one > 30
        assert 0.5 < one / other < 2
    if name == "plane":
        top = 40  # below the note
        difference = np.abs(np.asarray(a, int)[top:] - np.asarray(b, int)[top:]).max(axis=2)
        assert (difference > 60).mean() < 0.01


def test_without_scripts_the_poster_and_the_words_stand(visit):
    page = visit("plane", java_script_enabled=False)
    image = page.locator(".still img")
    assert image.is_visible()
    assert image.bounding_box()["width"] == 300
    assert page.locator(".words tbody tr").count() == 2
    assert "JavaScript is off" in page.locator("noscript").inner_text()


def test_damage_is_said_under_the_poster(visit):
    page = visit("damaged")
    until(page, "document.querySelector('[role=alert]') !== null")
    words = page.locator("[role=alert]").text_content()
    assert words == "This scene cannot be shown: scene has version 9, this viewer reads up to 1. Update isotopy."
    assert page.locator(".still img").is_visible()


def test_print_shows_the_picture_and_the_words(visit):
    page = visit("plane")
    page.emulate_media(media="print")
    assert page.locator(".stage").is_visible()
    assert not page.locator(".transport").is_visible()
    assert page.locator(".list").is_visible()
