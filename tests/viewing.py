"""What tests of the viewer ask a page in the browser for."""

from io import BytesIO

import numpy as np
from PIL import Image

_WAIT = 60  # frames of 20 ms until something must have happened
ROOT = "document.querySelector('.isotopy-scene').shadowRoot"
VERMILION, BLUE = (213, 94, 0), (0, 114, 178)


def until(page, condition):
    """Wait until a condition of the page holds; the policy of the page forbids playwright's own way (eval)."""
    for _ in range(_WAIT):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never: {condition}; {page.evaluate('window.isotopy && isotopy.state()')}")


def state(page, index=0):
    return page.evaluate(f"isotopy.state({index})")


def drawn(page):
    """Wait for the next picture to be on the screen, and return the stage as an image."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return Image.open(BytesIO(page.locator(".stage").first.screenshot())).convert("RGB")


def seen(page, holds):
    """Whether pictures of the stage come to be as `holds` says: on a busy machine the screen is some frames behind."""
    return any(holds(drawn(page)) for _ in range(_WAIT))


def pixels(image, color, reach=40):
    """How many pixels are near a color."""
    return int((np.abs(np.asarray(image, int) - np.array(color)).max(axis=2) < reach).sum())
