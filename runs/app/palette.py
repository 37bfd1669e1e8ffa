"""Colours of the page, in one place: told apart on light and dark, and by colour-blind eyes.

The lines' colours were searched for: the eight that are furthest from each other in CIELAB for an
eye that sees all colours and, simulated, for those that lack one kind of cone, each with a contrast
of at least 3 to the background. A test does the simulation again.
"""

from __future__ import annotations

LIGHT_PAGE, DARK_PAGE = "#ffffff", "#1e1e1e"
"""Backgrounds that all others are seen on."""

LINES = {
    "light": [
        "#0b6e8f", "#d37b0d", "#7b0da7", "#ff3965", "#0da77b", "#4f4f23", "#a765ff", "#d365d3",
    ],
    "dark": [
        "#4fb3d9", "#ff9123", "#7b65e9", "#d32391", "#a7bda7", "#d30d0d", "#d3a765", "#7b654f",
    ],
}  # fmt: skip
"""Of a chart's lines, in order."""

CHANNELS = {
    "claim": {"light": "#0b6e8f", "dark": "#4fb3d9"},
    "debt": {"light": "#7b0da7", "dark": "#b18cff"},
    "price": {"light": "#d37b0d", "dark": "#ff9123"},
    "common": {"light": "#75808b", "dark": "#75808b"},
    "flow": {"light": "#0da77b", "dark": "#5fe0b5"},
}
"""Of the network's edges, and of what flows along them."""

DISTRESS = {"light": "#d3122f", "dark": "#ff5f73"}
"""Of rings, and of nothing else in the network."""

USE = {"light": ("#d9e8ee", "#12303d"), "dark": ("#22363f", "#cfeaf5")}
"""From nothing lent to all of it: one hue, and always further from the background."""

IMBALANCE = {
    "light": ("#1668c7", "#dfe4e9", "#c2571a"),
    "dark": ("#4fa3ff", "#46525c", "#ffab4a"),
}
"""From all of one side, over balance, to all of the other."""


def of_network() -> dict[str, object]:
    """What the network is given: channels, distress and the two scales, by scheme."""
    return {"channels": CHANNELS, "distress": DISTRESS, "use": USE, "imbalance": IMBALANCE}
