"""Reports opened offline, from disk, in a real browser."""

import pytest

from isotopy import report

pytestmark = pytest.mark.browser

CASES = {
    "plane": {"widths": (2, 5, 5, 3), "n": 150},
    "digits": {"widths": (64, 20, 16, 10), "n": 400, "classes": tuple("0123456789")},
    "deep": {"widths": (5, *[4] * 30, 2), "n": 40},
    "recorded": {"widths": (9, 5, 3), "n": 30, "recorded": True, "classes": ()},
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
@pytest.mark.parametrize("name", [*CASES, "compare"])
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


def test_every_text_has_readable_contrast(visit):
    script = """() => {
      const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const found = [];
      const clear = /, 0\\)$/;
      for (const e of document.querySelectorAll('body *:not(svg *)')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        let below = e, paper = 'rgba(0, 0, 0, 0)';
        for (; below && clear.test(paper); below = below.parentElement) {
          paper = getComputedStyle(below).backgroundColor; }
        const [a, b] = [lum(getComputedStyle(e).color), lum(paper)].sort((x, y) => x - y);
        if ((b + 0.05) / (a + 0.05) < 4.5) found.push(e.outerHTML.slice(0, 120));
      }
      return found; }"""
    for dark in (False, True):
        page, _, _ = visit("plane", dark=dark)
        assert page.evaluate(script) == []


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


def test_drawings_have_ink_on_them(visit):
    """The strip is neither blank nor cut off: pictures differ from paper near the middle of each card."""
    from io import BytesIO

    from PIL import Image

    page, _, _ = visit("plane")
    for card in page.locator(".strip .card svg").all():
        shot = Image.open(BytesIO(card.screenshot())).convert("RGB")
        colors = shot.getcolors(maxcolors=1_000_000)
        assert len(colors) > 20
