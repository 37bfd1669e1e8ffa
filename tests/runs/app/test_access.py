"""The page by keyboard, with a screen reader and enlarged: axe-core's checks, and our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Visit = Callable[..., Any]
AXE = (Path(__file__).parent / "assets" / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")


def findings(page: Any) -> list[str]:
    """What axe-core holds for serious: rule, what it is, and where."""
    page.tab.evaluate(AXE)  # but for Solara's own bar, seen while it is busy, which has no name
    found = page.tab.evaluate(
        "axe.run({exclude: ['.v-progress-linear']}, {resultTypes: ['violations']})"
    )
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {[n['target'] for n in v['nodes']][:4]}"
        for v in found["violations"]
        if v["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, scheme: str) -> None:
    page = visit("?scenario=interconnected&rng=1&block=200&twin=mine", scheme=scheme)
    assert findings(page) == []
    page.tab.locator('[data-node="bank"]').click()
    page.tab.locator(".ut-pop").wait_for()
    page.shock("price_jump", asset="eth", size="-2")
    page.tab.locator(".ut-form [role=alert]").wait_for()
    assert findings(page) == []
    for name in ("Cut", "Twin", "Story", "Save"):
        page.open_tab(name)
        assert findings(page) == [], name


def test_axe_would_find_something(visit: Visit) -> None:
    page = visit()
    page.tab.evaluate(
        "() => { const b = document.createElement('button');"
        " document.querySelector('.ut-main').append(b); }"
    )
    assert any(text.startswith("button-name") for text in findings(page))


def test_a_whole_visit_by_keys(visit: Visit) -> None:
    page = visit()
    seen = []
    page.tab.locator(".ut-bar button").first.focus()
    for _ in range(40):
        page.tab.keyboard.press("Tab")
        seen.append(
            page.tab.evaluate(
                "() => { const e = document.activeElement; return e.getAttribute('aria-label') "
                "|| e.textContent.trim().slice(0, 30); }"
            )
        )
    for wanted in ("Play", "Scenario", "Shock", "Shock now"):
        assert wanted in seen, seen
    page.tab.get_by_role("tab", name="Shock").focus()
    page.tab.keyboard.press("ArrowRight")
    page.tab.get_by_role("tab", name="Cut", selected=True).wait_for()
    box = page.tab.get_by_label("pool eth-usdc", exact=True)
    box.focus()
    page.tab.keyboard.press("Space")
    page.until(
        "() => document.activeElement.type === 'checkbox' && !document.activeElement.checked"
    )
    page.tab.locator('[data-node="bank"]').focus()
    outline = page.tab.locator('[data-node="bank"] .halo')
    assert outline.evaluate("e => getComputedStyle(e).stroke") != "none"
    page.tab.keyboard.press("Enter")
    page.tab.locator(".ut-pop").wait_for()


@pytest.mark.parametrize("width", [640, 400])
def test_enlarged_twice_nothing_is_lost(visit: Visit, width: int) -> None:
    """At 200 % a screen of 1280 has 640 pixels, which is what the page sees."""
    page = visit("?scenario=interconnected&rng=1&block=50", width=width)
    wide = "() => document.documentElement.scrollWidth <= innerWidth + 1"
    assert page.tab.evaluate(wide)
    cut = page.tab.evaluate(
        """() => [...document.querySelectorAll('.ut-bar button, .ut-acts button, .ut-form input')]
          .filter(e => e.offsetParent && (e.getBoundingClientRect().right > innerWidth + 1
            || e.getBoundingClientRect().left < -1)).map(e => e.textContent)"""
    )
    assert cut == []
    page.step(1)
    page.shock("price_jump", asset="eth", size="-0.1")
    page.step(1)
