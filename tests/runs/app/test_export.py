"""The view as files: a drawing that stands by itself, a picture, an animation."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Visit = Callable[..., Any]
SVG = "{http://www.w3.org/2000/svg}"


def saved(page: Any, kind: str) -> tuple[str, bytes]:
    page.open_tab("Save")
    with page.tab.expect_download() as download:
        page.tab.get_by_role("group", name="Export the view").get_by_text(kind).first.click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_a_drawing_has_the_headline_the_network_and_charts(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=60")
    name, content = saved(page, "SVG")
    assert name == "undertow-60.svg"
    drawn = ET.fromstring(content)
    words = [t.text for t in drawn.iter(f"{SVG}text")]
    assert page.tab.locator(".ut-head .news").inner_text() in words
    assert {"bank", "eth-usdc", "borrowers"} <= set(words)
    assert "Price of eth, usdc" in words
    assert not list(drawn.iter(f"{SVG}image")), "nothing in it is a bitmap"
    charts = [g for g in drawn.iter(f"{SVG}g") if g.get("class") == "chart"]
    assert charts
    for chart in charts:
        lines = [path.get("d") or "" for path in chart.iter(f"{SVG}path")]
        assert sum(text.count("L") > 5 for text in lines) >= 1
        assert "NaN" not in "".join(lines) and "undefined" not in "".join(lines)
    texts = {text.text for text in charts[0].iter(f"{SVG}text")}
    assert any(re.fullmatch(r"\d\d:\d\d", text or "") for text in texts), "ticks have clock time"
    style = next(drawn.iter(f"{SVG}style")).text or ""
    assert ".ut-net .name" in style
    assert b"http://" not in content.replace(b"http://www.w3.org", b"")


def test_a_picture_and_an_animation_of_what_was_seen(visit: Visit) -> None:
    page = visit()
    page.shock("price_jump", asset="eth", size="-0.4")
    page.play(8)
    name, picture = saved(page, "PNG")
    assert name.endswith(".png")
    width, height = struct.unpack(">II", picture[16:24])
    assert width == 1920 and height > 1000
    name, moving = saved(page, "GIF")
    assert name.endswith(".gif") and moving[:6] == b"GIF89a"
    assert moving.count(b"\x21\xf9\x04") >= 8  # a frame's control block each
    assert struct.unpack("<HH", moving[6:10])[0] == 720
    assert "price jump" in page.tab.locator(".ut-head .news").inner_text()  # it shows now again
