"""Reports opened offline, from disk, in a real browser."""

from io import BytesIO

import pytest
from PIL import Image

from isotopy import report

pytestmark = pytest.mark.browser

CASES = {
    "plane": {"widths": (2, 5, 5, 3), "n": 150},
    "digits": {"widths": (64, 20, 16, 10), "n": 400, "classes": tuple("0123456789")},
    "deep": {"widths": (5, *[4] * 30, 2), "n": 40},
    "recorded": {"widths": (9, 5, 3), "n": 30, "recorded": True, "classes": ()},
    "one point": {"widths": (2, 3, 2), "n": 1, "classes": ()},
    "long names": {
        "widths": (3, 4, 2),
        "n": 30,
        "names": (
            "features.3.conv2d_with_a_name_that_never_ends.relu" * 2,
            "<script>document.title = 'owned'</script>",
        ),
        "classes": ("a class whose name is as long as a sentence, and one more half", "<img src=x onerror=alert(1)>"),
    },
}


@pytest.fixture(scope="module")
def pages(factory, tmp_path_factory):
    """Every case as a report, and a comparison of two."""
    root = tmp_path_factory.mktemp("reports")
    found = {name: report.write(factory.inspection(**kwargs), root / name) for name, kwargs in CASES.items()}
    report.write(factory.inspection(**CASES["plane"], seed=7), root / "other")
    found["compare"] = report.compare(root / "plane", root / "other", root / "compare")
    found["unlike"] = report.compare(root / "plane", root / "deep", root / "unlike")
    return found


@pytest.fixture
def visit(browser, pages):
    """Open a page; everything that it says or asks for is collected."""
    contexts = []

    def open_page(name, *, width=1280, dark=False, media="screen"):
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light", offline=True
        )
        contexts.append(context)
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.emulate_media(media=media)
        page.goto(pages[name].as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return page, said, asked

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", [*CASES, "compare", "unlike"])
def test_page_opens_offline_in_silence_and_fits(visit, pages, name, width, dark):
    page, said, asked = visit(name, width=width, dark=dark)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [pages[name].as_uri()]
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner
    assert "owned" not in page.title()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_inks_of_page_and_pictures_follow_the_color_scheme(visit, dark):
    page, _, _ = visit("plane", dark=dark)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    light = sum(int(part) for part in paper[4:-1].split(","))
    dark_ink = sum(int(part) for part in ink[4:-1].split(","))
    assert (light > 600, dark_ink < 400) == (not dark, not dark)


_CONTRAST = """() => {
  const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = [];
  const clear = /, 0\\)$/;
  const weak = (ink, paper) => { const [a, b] = [lum(ink), lum(paper)].sort((x, y) => x - y);
    return (b + 0.05) / (a + 0.05) < 4.5; };
  for (const e of document.querySelectorAll('body *:not(svg *)')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    let below = e, paper = 'rgba(0, 0, 0, 0)';
    for (; below && clear.test(paper); below = below.parentElement) {
      paper = getComputedStyle(below).backgroundColor; }
    if (weak(getComputedStyle(e).color, paper)) found.push(e.outerHTML.slice(0, 120));
  }
  const page = getComputedStyle(document.body).backgroundColor;
  for (const e of document.querySelectorAll('svg text, svg tspan')) {
    // numbers on maps of ranks choose black or white by the color under them: a test of their own
    if (e.closest('[id*="ranks"], svg[aria-label^="Ranks of the plane"]')) continue;
    if (weak(getComputedStyle(e).fill, page)) found.push(e.outerHTML.slice(0, 160));
  }
  return found; }"""


@pytest.mark.parametrize("name", ["plane", "digits", "recorded", "compare"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_has_readable_contrast(visit, name, dark):
    page, _, _ = visit(name, dark=dark)
    assert page.evaluate(_CONTRAST) == []


_LETTERS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;  // the overview of the other width
    const scale = frame.width / svg.viewBox.baseVal.width;
    const flat = [];
    for (const text of svg.querySelectorAll('text')) {
      if (!text.textContent.trim()) continue;
      const box = text.getBoundingClientRect();
      const name = `${svg.getAttribute('aria-label').slice(0, 60)}: ${text.textContent}`;
      // boxes of letters are a little larger than their ink
      if (box.left < frame.left - 1.5 || box.right > frame.right + 1.5 ||
          box.top < frame.top - 3 || box.bottom > frame.bottom + 3) found.push('cut off: ' + name);
      const size = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (size < 6.5) found.push(`small (${size.toFixed(1)} px): ` + name);
      if (!/rotate\\((?!-?0[ )])/.test(text.outerHTML)) flat.push([name, box]);
    }
    for (const [i, [a, p]] of flat.entries()) for (const [b, q] of flat.slice(i + 1)) {
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > 1.5 && high > 0.45 * Math.min(p.height, q.height)) found.push(`on each other: ${a} | ${b}`);
    }
  }
  return found; }"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", [*CASES, "compare", "unlike"])
def test_letters_of_pictures_are_whole_apart_and_large_enough(visit, name, width):
    page, _, _ = visit(name, width=width)
    assert page.evaluate(_LETTERS) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_one_overview_is_shown_and_needs_no_scrolling(visit, width):
    page, _, _ = visit("plane", width=width)
    shown = [figure for figure in page.locator("section[aria-labelledby=overview] figure").all() if figure.is_visible()]
    assert [figure.get_attribute("class") for figure in shown] == ["wide-only" if width > 800 else "narrow-only"]
    box = shown[0].locator("svg").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_first_screens_tell_what_happened_and_where(visit):
    """Summary, then the overview, within two screens of a laptop."""
    page, _, _ = visit("plane")
    tops = [page.locator(f"#{name}").bounding_box()["y"] for name in ("summary", "overview", "layers", "numbers")]
    assert tops == sorted(tops)
    assert tops[1] < 844
    assert page.locator("figure.wide-only svg").bounding_box()["y"] < 1.5 * 844


def test_keyboard_reaches_the_skip_link_first_and_the_table(visit):
    page, _, _ = visit("deep", width=390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.locator("[role=region][aria-labelledby=numbers]").focus()
    page.keyboard.press("ArrowRight")
    moved = 0
    for _ in range(100):  # scrolling is animated; the policy of the page forbids playwright's own waiting (eval)
        moved = page.evaluate("document.activeElement.scrollLeft")
        if moved:
            break
        page.wait_for_timeout(20)
    assert moved > 0


def test_screen_readers_find_landmarks_and_named_pictures(visit):
    page, _, _ = visit("plane")
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    pictures = page.get_by_role("img")
    assert pictures.count() >= 10
    assert page.get_by_role("columnheader").count() > 15
    assert page.get_by_role("rowheader").count() >= 4


def test_details_are_closed_at_first_and_open_by_keyboard(browser, pages):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(pages["plane"].as_uri())
    assert page.locator("details[open]").count() == 0
    page.locator("#layer-1 > summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#layer-1[open]").count() == 1
    context.close()


def test_link_of_a_sentence_leads_to_its_layer(visit):
    page, _, _ = visit("plane")
    page.locator(".sentences a").first.click()
    assert page.url.endswith("#layer-2")
    assert page.locator("#layer-2").is_visible()


def test_print_is_light_and_whole(visit):
    page, _, _ = visit("plane", dark=True, media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("navigation").is_visible()


_EMPTY = """() => {
  const vivid = color => { const c = (color.match(/[\\d.]+/g) || []).slice(0, 3).map(Number);
    return c.length === 3 && Math.max(...c) - Math.min(...c) > 40; };
  const seen = e => {
    if (e.tagName === 'image') return e.getAttribute('href').length > 200;
    const look = getComputedStyle(e), box = e.getBoundingClientRect();
    return (vivid(look.fill) && box.width > 1 && box.height > 1) ||
           (vivid(look.stroke) && parseFloat(look.strokeWidth) > 0 && box.width + box.height > 2); };
  return [...document.querySelectorAll('svg[role=img]')]
    .filter(svg => svg.getBoundingClientRect().width && ![...svg.querySelectorAll('path, use, image')].some(seen))
    .map(svg => svg.getAttribute('aria-label')); }"""


@pytest.mark.parametrize("name", [*CASES, "compare", "unlike"])
def test_no_drawing_is_empty(visit, name):
    """Every picture has a mark in the color of some data: axes, letters and grid alone are none."""
    page, _, _ = visit(name)
    assert page.evaluate("document.querySelectorAll('svg[role=img]').length") > 5
    assert page.evaluate(_EMPTY) == []


def test_pictures_of_the_strip_have_ink_on_them(visit):
    page, _, _ = visit("plane")
    for card in page.locator(".strip .card svg").all():
        shot = Image.open(BytesIO(card.screenshot())).convert("RGB")
        assert len(shot.getcolors(maxcolors=1_000_000)) > 20
