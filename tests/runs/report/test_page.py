"""The house's style."""

from __future__ import annotations

import pytest

from runs.report.page import (
    MONEY,
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
    page = document("a <b>", "c & d", table([("<e>", "f")]) + sections({"<g>": figure}), "<h>")
    for raw in ("<b>", "c & d", "<e>", "<g>", "<h>"):
        assert raw not in page
    assert page.count("data:image/png;base64,") == 1


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
    assert "img" in image(figure, "x")


def test_ticks_of_money_can_be_told_apart() -> None:
    assert MONEY.format_ticks([4.79e6, 4.792e6, 4.794e6]) == ["4.79M", "4.792M", "4.794M"]
    assert MONEY.format_ticks([0.0, 1e3, 2e6]) == ["0", "1k", "2M"]
    assert MONEY.format_ticks([]) == []
