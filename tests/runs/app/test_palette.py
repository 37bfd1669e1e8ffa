"""Colours of the page: told apart by everybody, also where one kind of cone is lacking."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from runs.app import palette

Floats = npt.NDArray[np.float64]
EYES: dict[str, Floats] = {
    "all cones": np.eye(3),
    # Machado, Oliveira and Fernandes (2009), severity 1, on linear light.
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
PAGES = {"light": palette.LIGHT_PAGE, "dark": palette.DARK_PAGE}


def light(colour: str) -> Floats:
    """Linear light of #rrggbb."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour: str, eye: str) -> Floats:
    """CIELAB of a colour as an eye sees it."""
    seen = np.clip(EYES[eye] @ light(colour), 0.0, 1.0)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    return np.array([116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])])


def apart(a: str, b: str, eye: str) -> float:
    return float(np.linalg.norm(lab(a, eye) - lab(b, eye)))


def contrast(a: str, b: str) -> float:
    """As the Web Content Accessibility Guidelines have it."""
    shine = sorted(float(light(c) @ np.array([0.2126, 0.7152, 0.0722])) + 0.05 for c in (a, b))
    return shine[1] / shine[0]


def test_contrast_of_black_on_white_is_what_the_guidelines_say() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("scheme", PAGES)
def test_lines_are_told_apart(scheme: str, eye: str) -> None:
    for a, b in itertools.combinations(palette.LINES[scheme], 2):
        assert apart(a, b, eye) > 20.0, (a, b)


@pytest.mark.parametrize("scheme", PAGES)
def test_lines_stand_out_from_the_page(scheme: str) -> None:
    drawn = [*palette.LINES[scheme], *(c[scheme] for c in palette.CHANNELS.values())]
    for colour in (*drawn, palette.DISTRESS[scheme]):
        assert contrast(colour, PAGES[scheme]) >= 2.9, colour


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("scheme", PAGES)
def test_channels_and_distress_are_told_apart(scheme: str, eye: str) -> None:
    drawn = [c[scheme] for c in palette.CHANNELS.values()]
    for a, b in itertools.combinations([*drawn, palette.DISTRESS[scheme]], 2):
        assert apart(a, b, eye) > 12.0, (a, b)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("scheme", PAGES)
def test_scales_show_more_as_further_away(scheme: str, eye: str) -> None:
    low, high = palette.USE[scheme]
    assert apart(low, high, eye) > 45.0
    page = PAGES[scheme]
    assert contrast(high, page) > contrast(low, page)
    one, middle, other = palette.IMBALANCE[scheme]
    assert min(apart(one, middle, eye), apart(other, middle, eye), apart(one, other, eye)) > 25.0
