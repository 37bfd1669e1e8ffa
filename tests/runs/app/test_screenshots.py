"""Pictures of the page."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from runs.app import screenshots
from runs.app.link import read_link
from runs.app.session import Session

DOCS = Path(__file__).parents[3] / "docs"


def size_of(picture: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_every_picture_is_in_the_documents() -> None:
    for name, views in screenshots.VIEWS.items():
        for scheme, width, height in views:
            picture = (DOCS / f"{name}_{scheme}_{width}.png").read_bytes()
            assert size_of(picture) == (width, height)
    for name, (_, width, height, _) in screenshots.REPORT_VIEWS.items():
        assert size_of((DOCS / f"{name}.png").read_bytes()) == (width, height)


def test_every_picture_is_shown_somewhere() -> None:
    told = (DOCS / "app.md").read_text() + (DOCS.parent / "README.md").read_text()
    shown = (DOCS / "results.md").read_text()
    assert all(f"({name}.png)" in shown for name in screenshots.REPORT_VIEWS)
    for name in screenshots.LINKS:
        assert f"{name}_" in told


@pytest.mark.parametrize("name", screenshots.LINKS)
def test_the_links_of_the_pictures_open(name: str) -> None:
    query = "?" + screenshots.urlencode(screenshots.LINKS[name])
    assert read_link(query).block > 0
    session = Session(query)
    session.open_first()
    assert session.notice.value == ""
    market = session.market
    assert market is not None and market.block == read_link(query).block


@pytest.mark.slow
def test_a_picture_is_taken(chromium: Any, address: str) -> None:
    tab = chromium.new_page()
    picture = screenshots.take(tab, address, "app", "dark", 1000, 700)
    tab.close()
    assert size_of(picture) == (1000, 700)
