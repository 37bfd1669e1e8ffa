"""The house's style."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runs.charts import DARK
from runs.report.page import (
    MONEY,
    SHARE,
    Section,
    document,
    image,
    label,
    legend,
    money,
    new_figure,
    plain,
    sections,
    table,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.23456, "1.23"), (12_345.0, "12.3k"), (999_999.0, "1M"), (-2.5e9, "-2.5B")],
)
def test_money_is_short(value: float, text: str) -> None:
    assert money(value) == text
    assert money(float("nan")) == "–"


def test_a_page_shows_text_as_text() -> None:
    figure, axes = new_figure(2)
    axes[0].plot([1, 2], label="line")
    legend(axes[0], 1)
    page = document("a <b>", "c & d", table([("<e>", "f")]) + sections({"<k>": figure}), "<h>")
    for raw in ("<b>", "c & d", "<e>", "<k>", "<h>"):
        assert raw not in page
    assert page.count("<svg") == 1 and "<image" not in page
    assert re.findall("https?://", page) == []


def test_axes_share_what_is_across_unless_told() -> None:
    _, axes = new_figure(2)
    axes[0].set_xlim(0, 5)
    assert axes[1].get_xlim() == (0.0, 5.0)
    figure, axes = new_figure(2, share=False)
    axes[0].set_xlim(0, 5)
    assert axes[1].get_xlim() != (0.0, 5.0)
    assert figure.get_facecolor()[:3] == (1.0, 1.0, 1.0)


def test_dollars_are_dollars_and_no_mathematics() -> None:
    figure, axes = new_figure()
    label(axes[0], "$\\frac{")
    axes[0].plot([0, 1], [0, 1], label=plain("a $x$ b"))
    legend(axes[0], 1)
    assert "a $x$ b" in image(figure, "x")


def test_ticks_of_money_can_be_told_apart() -> None:
    assert MONEY.format_ticks([4.79e6, 4.792e6, 4.794e6]) == ["4.79M", "4.792M", "4.794M"]
    assert MONEY.format_ticks([0.0, 1e3, 2e6]) == ["0", "1k", "2M"]
    assert MONEY.format_ticks([]) == []


def test_ticks_of_shares_can_be_told_apart() -> None:
    assert SHARE.format_ticks([0.04161, 0.04164, 0.04167]) == ["4.161 %", "4.164 %", "4.167 %"]


def test_pictures_have_the_colours_of_the_page_and_names_of_their_own() -> None:
    found = []
    for alt in ("one", "other"):
        figure, axes = new_figure()
        axes[0].plot([0, 1], label="line")
        found.append(image(figure, alt, caption="what is seen"))
    assert "<figcaption>what is seen</figcaption>" in found[0]
    assert 'role="img" aria-label="one"' in found[0]
    named = [set(re.findall(r'\bid="([^"]+)"', text)) for text in found]
    assert named[0] and not named[0] & named[1]
    for text, ids in zip(found, named, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= ids
        # A colour that stands in the picture itself would not follow the page into the dark.
        assert not [colour for colour in DARK if colour in text]
    style = document("a", "b", "c", "d")
    used = set(re.findall(r"var\((--\w+)\)", "".join(found)))
    assert used and all(style.count(f"{name}:") == 2 for name in used)


def test_pictures_are_left_as_files_too(tmp_path: Path) -> None:
    figure, axes = new_figure()
    axes[0].plot([0, 1])
    parts = [Section("The first, of all", figure), Section("Words", text="a & b")]
    html = sections(parts, tmp_path)
    assert 'id="the-first-of-all"' in html and "<p>a &amp; b</p>" in html
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["the-first-of-all.pdf", "the-first-of-all.svg"]
    assert (tmp_path / "figures" / names[0]).read_bytes().startswith(b"%PDF")
    assert DARK["#ffffff"] not in (tmp_path / "figures" / names[1]).read_text()
    page = document("t", "one\ntwo\n\nthree\n- four", html, "")
    assert '<a href="#words">Words</a>' in page and "one two\n\nthree\n- four" in page
