"""What the page's figures are made of."""

from __future__ import annotations

from typing import Any

import pytest

from runs.app.browser import resident
from runs.app.measure import answers, frames_a_second


@pytest.mark.slow
def test_figures_of_a_page_that_plays(chromium: Any, address: str) -> None:
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(address + "/?scenario=calm&rng=1")
    tab.wait_for_selector(".ut-net .node", timeout=90_000)
    tab.get_by_role("button", name="Play", exact=True).click()
    assert frames_a_second(tab, 3.0) > 0.0
    assert all(seconds > 0.0 for seconds in answers(tab, ["bank", "venue"], 2))
    tab.close()


def test_memory_is_that_of_the_process() -> None:
    import os

    assert 20.0 < resident(os.getpid()) < 100_000.0
