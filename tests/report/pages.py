"""A strict reader of our pages."""

import itertools
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "col"}


class Page(HTMLParser):
    """Checks nesting, and keeps elements with their attributes and texts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.stack == [], f"never closed: {self.stack}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in <{tag}>: {names}"
        self.elements.append((tag, dict(attrs), tuple(self.stack)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self.stack)))

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        self.stack.pop()

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs, _ in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def check(text):
    """What must hold on every page; returns it parsed."""
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1
    assert page.all("title")
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    for _, attrs, _ in page.elements:
        assert not any(name.startswith("on") for name in attrs), attrs
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    assert "@import" not in text
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    for image in page.all("img"):
        assert image["alt"]
    for tag, attrs, above in page.elements:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or (attrs.get("role") == "img" and attrs.get("aria-label"))
        if tag == "image":
            assert attrs["href"].startswith("data:image/png;base64,")
        if tag == "th":
            assert attrs.get("scope") in {"col", "row", "colgroup", "rowgroup"}
        if tag == "section":
            assert attrs.get("aria-labelledby")
        if tag == "li":
            assert above[-1] in {"ul", "ol"}
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids)), sorted(i for i in set(ids) if ids.count(i) > 1)
    for _, attrs, _ in page.elements:
        if "aria-labelledby" in attrs:
            assert attrs["aria-labelledby"] in ids
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids, attrs["href"]
    levels = [int(tag[1]) for tag, _, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels
    return page
