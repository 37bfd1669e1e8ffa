"""How fast the page is and what it holds: ``python -m runs.app.measure``.

Plays a market in a real Chromium, a block a frame, and prints frames a second, how
long a click takes to be answered meanwhile, and the memory of server and page. Then
it goes on at many blocks a frame and prints the memory again, when the largest of what
a warm visit paints was painted, and the server's memory while tabs come and go.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from runs.app.browser import chromium, resident, served


def frames_a_second(tab: Any, seconds: float) -> float:
    """Frames that the page shows in a second, while it plays."""

    def frame() -> int:
        return int(tab.get_attribute(".ut-head", "data-frame"))

    first, begun = frame(), time.perf_counter()
    tab.wait_for_timeout(1000.0 * seconds)
    return (frame() - first) / (time.perf_counter() - begun)


def answers(tab: Any, nodes: list[str], times: int) -> list[float]:
    """Seconds from a click on a node to its state being shown, while the page plays."""
    found = []
    for i in range(times):
        node = nodes[i % len(nodes)]
        begun = time.perf_counter()
        tab.evaluate(
            f"document.querySelector('[data-node=\"{node}\"]').dispatchEvent("
            "new MouseEvent('click', {bubbles: true}))"
        )
        tab.wait_for_selector(f".ut-pop th:text-is('{node}')")
        found.append(time.perf_counter() - begun)
    return found


def largest_paint(browser: Any, address: str) -> float:
    """Seconds until the largest of a page's contents is painted, in a tab of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector(".ut-chart canvas")
    tab.wait_for_timeout(1500)
    found = tab.evaluate(
        """() => new Promise(done => new PerformanceObserver(all => done(
          all.getEntries().at(-1).startTime)).observe(
          {type: 'largest-contentful-paint', buffered: true}))"""
    )
    context.close()
    return float(found) / 1000.0


def visits(browser: Any, address: str, tabs: int) -> None:
    """Open tabs that play a while, and leave them."""
    opened = []
    for _ in range(tabs):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        tab = context.new_page()
        tab.goto(address, timeout=120_000)
        tab.wait_for_selector(".ut-net .node", timeout=120_000)
        tab.get_by_role("button", name="Step", exact=True).click()
        opened.append(context)
        if len(opened) == 5:  # five at a time: a browser of fifty is what would be measured
            for one in opened:
                one.close()
            opened.clear()
    for one in opened:
        one.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="calm")
    parser.add_argument("--traders", type=int, default=9472, help="makes 10,000 agents of calm")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--visits", type=int, default=50)
    options = parser.parse_args()
    query = f"?scenario={options.scenario}&rng=1&set=agents.traders.count={options.traders}"
    with served() as (address, pid), chromium() as browser:
        tab = browser.new_page(viewport={"width": 1920, "height": 1080})
        tab.goto(address + "/" + query)
        tab.wait_for_selector(".ut-head", timeout=300_000)
        print(tab.locator(".ut-head .sub").inner_text())
        tab.get_by_role("button", name="Play", exact=True).click()
        tab.wait_for_timeout(3000)
        rates = [frames_a_second(tab, options.seconds / 5.0) for _ in range(5)]
        print(
            f"one block a frame: {statistics.median(rates):.1f} frames/s "
            f"({min(rates):.1f} to {max(rates):.1f})"
        )
        waits = answers(tab, ["eth-usdc", "bank", "borrowers", "venue"], 12)
        print(
            f"a click is answered in {1e3 * statistics.median(waits):.0f} ms "
            f"(at most {1e3 * max(waits):.0f})"
        )
        tab.get_by_role("button", name="100×", exact=True).click()
        tab.wait_for_timeout(3000)
        last = 0
        while last < options.blocks:
            tab.wait_for_timeout(2000)
            block = int(tab.get_attribute(".ut-head", "data-block"))
            if block - last >= 2000 or block >= options.blocks:
                heap = tab.evaluate("performance.memory.usedJSHeapSize") / 2**20
                print(f"block {block:6,}: server {resident(pid):6.1f} MiB, page {heap:5.1f} MiB")
                last = block
        tab.close()
        paints = [largest_paint(browser, f"{address}/?scenario=calm&rng=1") for _ in range(5)]
        print(f"largest paint of a warm visit: {statistics.median(paints):.2f} s")
        for _ in range(3):
            visits(browser, f"{address}/?scenario=calm&rng=1&block=50", options.visits)
            tail = browser.new_page()  # what a tab leaves is let go of a moment later
            tail.wait_for_timeout(5000)
            tail.close()
            print(f"after {options.visits} tabs: server {resident(pid):6.1f} MiB")


if __name__ == "__main__":
    main()
