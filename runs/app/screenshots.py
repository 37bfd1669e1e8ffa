"""Pictures of the page for README and docs: ``python -m runs.app.screenshots FOLDER``.

Takes every picture in a real Chromium, from links that anybody can open.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from runs.app.browser import chromium, served
from runs.files import REPORT, write_whole
from sim import Market, Scenario

_CRASH = {"kind": "price_jump", "asset": "eth", "size": -0.3, "block": 100}
LINKS = {
    "app": {
        "scenario": "interconnected",
        "rng": "1",
        "do": json.dumps(_CRASH),
        "twin": "mine",
        "block": "400",
    },
    "app_black_thursday": {"scenario": "black_thursday", "rng": "1", "block": "9000"},
}
"""Each picture's link."""
_CHOSEN = {"app": "bank", "app_black_thursday": "maker"}
_WITH_A_CARD = 1920
"""Pixels from which on a picture has room for the card of a node."""
VIEWS = {
    "app": [("light", 1280, 800), ("dark", 1280, 800), ("light", 1920, 1080), ("dark", 1920, 1080)],
    "app_black_thursday": [("light", 1280, 800)],
}
"""Schemes, widths and heights, pixels."""


def take(tab: Any, address: str, name: str, scheme: str, width: int, height: int) -> bytes:
    """A picture of the page behind a link, as PNG.

    Args:
        tab: Playwright's page.
        address: Of the server.
        name: Of the link.
        scheme: light or dark.
        width: Of the screen, pixels.
        height: Of the picture, pixels.
    """
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": height})
    tab.goto(f"{address}/?{urlencode(LINKS[name])}")
    tab.wait_for_selector(".ut-net .node", timeout=300_000)
    tab.wait_for_selector(".ut-tables", state="attached")
    if width >= _WITH_A_CARD:
        tab.locator(f'[data-node="{_CHOSEN[name]}"]').click()
    for _ in range(3):  # a few blocks, so that something flows
        tab.get_by_role("button", name="Step", exact=True).click()
        tab.wait_for_timeout(300)
    tab.mouse.move(5, 5)
    tab.wait_for_timeout(600)
    return bytes(tab.screenshot())


REPORT_VIEWS = {
    "report_light_1280": ("light", 1280, 1500, "prices-and-imbalance"),
    "report_dark_1920": ("dark", 1920, 1500, "exposure-network"),
}
"""Scheme, width and height in pixels, and the part that it begins with, of a report's pictures."""


def of_report(tab: Any, page: Path, name: str) -> bytes:
    """A picture of a part of a run's report, as PNG.

    Args:
        tab: Playwright's page.
        page: The report.
        name: In `REPORT_VIEWS`.
    """
    scheme, width, height, begins = REPORT_VIEWS[name]
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": height})
    tab.goto(f"{page.resolve().as_uri()}#{begins}")
    return bytes(tab.screenshot())


def _write(picture: bytes, path: Path) -> None:
    path.write_bytes(picture)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tall", type=int, default=0, help="height, to see the whole page")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with served() as (address, _), chromium() as browser:
        for name in LINKS:
            for scheme, width, height in VIEWS[name]:
                tab = browser.new_page()
                picture = take(tab, address, name, scheme, width, options.tall or height)
                file = options.folder / f"{name}_{scheme}_{width}.png"
                write_whole(file, partial(_write, picture))
                print(file)
                tab.close()
        with tempfile.TemporaryDirectory() as beside:
            # Ether falls, and half comes back: the worst block is not the last.
            back = _CRASH | {"size": 0.25, "block": 250}
            setup = Scenario.load("interconnected").override(
                {"blocks": 400, "shocks": [_CRASH, back], "measures.losses": True}
            )
            page = Market(setup, rng=1).run().results.save(beside, report=True) / REPORT
            for name in REPORT_VIEWS:
                tab = browser.new_page()
                write_whole(
                    options.folder / f"{name}.png", partial(_write, of_report(tab, page, name))
                )
                print(options.folder / f"{name}.png")
                tab.close()


if __name__ == "__main__":
    main()
