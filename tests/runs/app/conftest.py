"""A page served as a user serves it, and its visitors in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from runs.app.browser import served

PATIENCE = 90_000
"""Milliseconds to wait for what a busy machine does late."""
COMPILES = 300_000
"""Milliseconds to wait for a page; who opens the first waits until kernels are compiled."""


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where `undertow app` listens."""
    with served("calm", "--rng", "7") as (found, _):
        yield found


class Visitor:
    """A tab on the page, as its visitor uses it."""

    def __init__(self, tab: Any, address: str) -> None:
        self.tab = tab
        self.address = address
        self.complaints: list[str] = []
        tab.set_default_timeout(PATIENCE)
        tab.on("console", self._heard)
        tab.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        tab.on("request", self._asked)
        tab.on("response", self._answered)

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"request to {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} for {response.url}")

    def open(self, query: str = "") -> Visitor:
        self.tab.goto(self.address + "/" + query)
        return self.ready()

    def ready(self) -> Visitor:
        self.tab.wait_for_selector(".ut-head", timeout=COMPILES)
        self.tab.wait_for_selector(".ut-net .node")
        self.tab.wait_for_selector(".ut-tables", state="attached")
        return self

    def until(self, expression: str, argument: Any = None) -> None:
        self.tab.wait_for_function(expression, arg=argument, polling=100)

    @property
    def block(self) -> int:
        return int(self.tab.get_attribute(".ut-head", "data-block"))

    def reach(self, block: int) -> None:
        self.until("b => +document.querySelector('.ut-head').dataset.block >= b", block)

    def button(self, name: str) -> Any:
        return self.tab.get_by_role("button", name=name, exact=True)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            block = self.block
            self.button("Step").click()
            self.reach(block + 1)

    def play(self, blocks: int) -> None:
        """Play so many blocks or a few more, then pause."""
        self.button("Play").click()
        self.reach(self.block + blocks)
        self.button("Pause").click()
        self.button("Play").wait_for()
        self.tab.wait_for_timeout(400)

    def shock(self, kind: str, **fields: object) -> None:
        self.open_tab("Shock")
        form = self.tab.locator(".ut-form")
        form.get_by_label("kind of shock").select_option(kind)
        for name, value in fields.items():
            place = form.get_by_label(name, exact=True)
            if place.evaluate("e => e.tagName") == "SELECT":
                place.select_option(str(value))
            else:
                place.fill(str(value))
        form.get_by_role("button", name="Shock now").click()

    def curve(self, title: str, label: str) -> list[tuple[int, float]]:
        """Block and value of each point of a line of a chart, as the browser has it."""
        points = self.tab.evaluate(
            """([title, label]) => {
              const charts = [...document.querySelectorAll('.ut-chart')].map(e => e.__vue__);
              const chart = charts.find(c => c.title === title);
              const i = chart.series.findIndex(s => s.label === label);
              return chart.points.map(p => [p[0], p[2 * i + 2]]);
            }""",
            [title, label],
        )
        return [(int(block), value) for block, value in points]

    def value(self, title: str, label: str) -> float:
        return self.curve(title, label)[-1][1]

    def choose(self, label: str, option: str) -> None:
        """Take an option of a select."""
        self.tab.get_by_label(label, exact=True).select_option(label=option)

    def open_tab(self, name: str) -> None:
        """Open one of the panes of what can be done."""
        self.tab.get_by_role("tab", name=name, exact=True).click()


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Callable[..., Visitor]]:
    """Opens tabs; at the end, none of them may have complained or asked the outside."""
    visitors: list[Visitor] = []

    def opened(query: str = "", width: int = 1280, scheme: str = "light") -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        visitor = Visitor(context.new_page(), address)
        visitors.append(visitor)
        return visitor.open(query)

    yield opened
    for visitor in visitors:
        visitor.tab.context.close()
    assert [c for v in visitors for c in v.complaints] == []


def linked(**words: object) -> str:
    """A link's query."""
    return "?" + "&".join(f"{k}={quote(str(v))}" for k, v in words.items())
