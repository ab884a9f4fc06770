"""The viewer by keyboard, for screen readers, in the reader's own colors."""

from pathlib import Path

import pytest
from viewing import ROOT, drawn, state, until

pytestmark = pytest.mark.browser


def test_colors_of_the_reader_are_respected(visit):
    page = visit("plane", forced_colors="active")
    pressed = page.get_by_role("button", name="Grid").evaluate("e => getComputedStyle(e).backgroundColor")
    loose = page.get_by_role("button", name="Stretch").evaluate("e => getComputedStyle(e).backgroundColor")
    assert pressed != loose


def test_screen_reader_is_told_where_the_picture_is(visit):
    page = visit("plane")
    status = page.get_by_role("status")
    until(page, f"{ROOT}.querySelector('[role=status]').textContent !== ''")
    assert status.text_content() == "Input."
    page.evaluate(f"""() => {{ const live = {ROOT}.querySelector('[role=status]');
      window.changes = 0; new MutationObserver(() => changes++).observe(live, {{ childList: true }}); }}""")
    page.get_by_role("slider").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    assert page.evaluate("changes") <= 1  # at most one sentence in two seconds
    for _ in range(3):
        if "layer 2" in status.text_content():
            break
        page.wait_for_timeout(1000)
    assert status.text_content() == "After layer 2 of 2. collapse, proved: Everything falls on a line."
    assert page.evaluate("changes") <= 2


def test_slider_says_where_it_stands(visit):
    page = visit("plane")
    slider = page.get_by_role("slider")
    for t, words in (
        (0, "Input"),
        (0.5, "Layer 1 of 2, shift, isotopy"),
        (1, "After layer 1 of 2, isotopy"),
        (2, "After layer 2 of 2, collapse"),
    ):
        page.evaluate(f"isotopy.viewers[0].seek({t})")
        drawn(page)
        assert slider.get_attribute("aria-valuetext") == words


def test_landmarks_names_and_order_of_focus(visit):
    page = visit("plane")
    assert page.get_by_role("complementary", name="About A small scene").count() == 1
    assert page.get_by_role("slider", name="Time through the network, in layers").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.shadowRoot.activeElement.className || 'slider'"))
    assert order[:3] == ["stage", "play", "slider"]
    nameless = page.evaluate(f"""() => [...{ROOT}.querySelectorAll('button')]
      .filter(e => !(e.ariaLabel || e.getAttribute('aria-label') || e.textContent.trim())).length""")
    assert nameless == 0


_CONTRAST = """() => {
  const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = [];
  for (const e of document.querySelector('.isotopy-scene').shadowRoot.querySelectorAll('.viewer *:not(svg *)')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    let below = e, paper = 'rgba(0, 0, 0, 0)';
    for (; below && /, 0\\)$/.test(paper); below = below.parentElement || below.getRootNode().host) {
      paper = getComputedStyle(below).backgroundColor; }
    const [a, b] = [lum(getComputedStyle(e).color), lum(paper)].sort((x, y) => x - y);
    if ((b + 0.05) / (a + 0.05) < 4.5) found.push(e.outerHTML.slice(0, 120));
  }
  return found; }"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_has_readable_contrast(visit, dark):
    page = visit("plane", dark=dark)
    for name in ("Ranks", "Stretch"):
        page.get_by_role("button", name=name).click()
    page.evaluate("isotopy.viewers[0].seek(1.5)")
    drawn(page)
    assert page.evaluate(_CONTRAST) == []


_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.skipif(not _AXE.exists(), reason="axe-core is not installed; make web brings it")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide-light", "narrow-dark"])
@pytest.mark.parametrize("name", ["plane", "linear", "sampled", "two"])
def test_axe_finds_no_fault(visit, name, width, dark):
    """All rules that axe runs by itself, and that targets are large enough."""
    page = visit(name, width=width, dark=dark, bypass_csp=True)
    page.evaluate("isotopy.viewers[0].seek(0.5)")
    for panel in page.locator("details:not([open]) > summary").all()[::-1]:
        panel.click()
    page.locator(".stage").first.focus()
    page.keyboard.press(".")
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    run = "axe.run({ rules: { 'target-size': { enabled: true } } })"
    for opened in (False, True):
        if opened:
            page.keyboard.press("?")
        drawn(page)
        found = page.evaluate(run)
        assert len(found["passes"]) > 20
        assert {own["id"]: own["nodes"][0]["html"][:80] for own in found["violations"]} == {}


def test_keys_act_only_where_the_focus_is(visit):
    """What is typed elsewhere in the page reaches no viewer, and of two viewers one."""
    page = visit("two")
    until(page, "isotopy.viewers.length === 2 && isotopy.state(1).frames > 0")
    before = [state(page, k) for k in (0, 1)]
    keys = ("2", "g", "]", "?", " ", "f", "End", "+", ".")
    page.get_by_label("Search").focus()
    for key in keys:
        page.keyboard.press(key)
    assert page.get_by_label("Search").input_value() == "2g]? f+."
    page.evaluate("document.activeElement.blur()")
    for key in keys:
        page.keyboard.press(key)
    same = ("t", "overlays", "camera", "playing", "point")
    assert [[state(page, k)[name] for name in same] for k in (0, 1)] == [[own[name] for name in same] for own in before]
    page.locator(".stage").nth(1).focus()
    for key in ("1", "g", "f"):
        page.keyboard.press(key)
    assert [state(page, 0)[name] for name in same] == [before[0][name] for name in same]
    now = state(page, 1)
    assert (now["t"], now["overlays"]["grid"], now["camera"]["mode"]) == (1, False, "follow")


def test_every_control_is_reached_and_seen(visit):
    """Tab walks through all controls, each with a ring around it or around its thumb, and out of the viewer."""
    page = visit("plane")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(f"""() => {{ const e = {ROOT}.activeElement; if (!e) return null;
          const {{ outlineStyle, outlineWidth }} = getComputedStyle(e);
          const ring = e.type === 'range' || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
          return [e.ariaLabel || e.textContent.trim(), ring && e.matches(':focus-visible')]; }}""")
        if found is None:
            break
        seen.append(found)
    assert all(ring for _, ring in seen), seen
    names = [name for name, _ in seen]
    assert names[1:3] == ["Play", "Time through the network, in layers"]
    assert names[3:] == [
        "This layer", "Shown", "Grid", "Data", "Boundary", "Ranks", "Stretch",
        "View", "Fixed", "Follow", "Reset the view", "Dark paper", "Keys (?)", "Statements",
    ]  # fmt: skip


def test_list_of_keys_closes_by_escape_and_gives_the_focus_back(visit):
    page = visit("plane")
    for place in (".stage", "input[type=range]", "button.play"):
        page.locator(place).focus()
        page.keyboard.press(".")
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        assert dialog.is_visible()
        page.keyboard.press("1")  # nothing behind the list moves
        assert state(page)["t"] == 0
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.locator(place).evaluate("e => e.getRootNode().activeElement === e")
        assert state(page)["point"] is not None  # Escape closed the list and did nothing else
