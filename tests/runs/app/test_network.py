"""The network in a real browser: edges that can be read, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Visit = Callable[..., Any]

UNDER = """() => {
  const svg = document.querySelector('.ut-net svg');
  const names = [...svg.querySelectorAll('.node text')].map(t => {
    const b = t.getBoundingClientRect();
    return [t.textContent, b.left + 1, b.top + 2, b.right - 1, b.bottom - 2];
  });
  const found = new Set();
  const m = svg.getScreenCTM();
  for (const line of svg.querySelectorAll('.edge .line')) {
    const long = line.getTotalLength();
    for (let at = 0; at <= long; at += 3) {
      const p = line.getPointAtLength(at), x = m.a * p.x + m.e, y = m.d * p.y + m.f;
      for (const [text, l, t, r, b] of names) if (x > l && x < r && y > t && y < b) found.add(text);
    }
  }
  return [...found];
}"""


@pytest.mark.parametrize("name", ["calm", "interconnected", "black_thursday"])
def test_no_edge_runs_under_a_name(visit: Visit, name: str) -> None:
    page = visit(f"?scenario={name}&rng=1&block=60")
    assert page.tab.locator(".ut-net .edge").count() > 5
    assert page.tab.evaluate(UNDER) == []


def test_an_edge_that_is_pointed_at_tells_its_amount(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=60")
    place = page.tab.evaluate(
        """() => {
          const c = document.querySelector('.ut-net').__vue__;
          const i = c.shown.findIndex(e => e.u === 'borrowers' && e.channel === 'claim');
          const line = document.querySelectorAll('.ut-net .edge .hit')[i];
          const p = line.getPointAtLength(0.2 * line.getTotalLength()), m = line.getScreenCTM();
          return [m.a * p.x + m.e, m.d * p.y + m.f];
        }"""
    )
    page.tab.mouse.move(*place)
    said = page.tab.locator(".ut-net-tip")
    said.wait_for()
    assert "borrowers → bank: claim, " in said.inner_text()
    assert "usdc" in said.inner_text()


def test_channels_are_filtered_and_have_arrows(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=60")
    debts = page.tab.locator('.ut-net .edge[data-channel="debt"]')
    assert debts.count() > 0
    assert "ut-arrow-debt" in debts.first.locator(".line").get_attribute("marker-end")
    button = page.tab.locator(".ut-net-legend").get_by_role("button", name="debt")
    button.click()
    assert debts.count() == 0
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert debts.count() > 0


def test_what_flows_moves_along_its_edge(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=60")
    for _ in range(10):
        page.step(1)
        if page.tab.locator(".ut-net .flow").count():
            break
    flow = page.tab.locator(".ut-net .flow").first
    assert flow.evaluate("e => getComputedStyle(e).animationName") == "ut-flow"
    page.tab.emulate_media(reduced_motion="reduce")
    assert flow.evaluate("e => getComputedStyle(e).animationName") == "none"


def test_a_pool_far_out_of_balance_has_more_colour_than_one_at_the_usual_end(visit: Visit) -> None:
    page = visit("?scenario=calm&rng=7&block=5")
    colours = page.tab.evaluate(
        """() => {
          const c = document.querySelector('.ut-net').__vue__;
          const pool = c.plan.nodes.find(n => n.scale && n.scale.diverging);
          const bank = c.plan.nodes.find(n => n.scale && !n.scale.diverging);
          const red = (n, tone) => +c.fill(n, {tone}).slice(4).split(',')[0];
          return [[0, -0.05, -0.1, -0.54, -1].map(t => red(pool, t)),
            [0, 0.3, 0.6, 0.91, 1].map(t => red(bank, t))];
        }"""
    )
    for one in colours:  # the further, the further from white
        assert one == sorted(one, reverse=True) and len(set(one)) == 5


def test_a_frame_that_was_seen_is_shown_again(visit: Visit) -> None:
    page = visit()
    page.step(3)
    page.shock("price_jump", asset="eth", size="-0.5")
    page.play(30)
    ring = ".ut-net [data-node=borrowers] .ring"
    assert page.tab.locator(ring).count() == 1
    page.tab.get_by_label("Show an earlier block").fill("2")
    page.tab.locator(ring).wait_for(state="detached")
    assert "price jump" not in page.tab.locator(".ut-head .news").inner_text()
    page.button("Back to now").click()
    page.tab.locator(ring).wait_for()
