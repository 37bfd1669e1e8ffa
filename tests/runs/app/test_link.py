"""Links that reopen a page."""

from __future__ import annotations

import pytest

from runs.app.link import Link, read_link
from sim.errors import ScenarioError


def test_a_link_says_all_and_is_read_again() -> None:
    link = Link(
        "calm",
        7,
        120,
        {"pools.eth-usdc.fee": 0.001, "switches.gas_binds": False},
        [{"kind": "price_jump", "asset": "eth", "size": -0.2, "block": 30}],
        "agents.traders",
    )
    assert read_link(link.query()) == link


def test_an_empty_link_says_nothing() -> None:
    assert read_link(None) == read_link("") == Link()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?rng=seven", "rng"),
        ("?block=-1", "block"),
        ("?block=99999999999999999999", "block"),
        ("?set=pools.a.fee=oops", "pools.a.fee"),
        ("?set=", "''"),
        ("?do=nothing", "do"),
        ("?do=[1]", "do"),
        ('?do={"kind":"price_jump"}', "do"),
    ],
)
def test_nonsense_is_named(query: str, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_link(query)
    assert caught.value.problems[0][0] == field


def test_other_words_are_left_alone() -> None:
    assert read_link("?utm_source=mail&scenario=calm") == Link("calm")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?rng=" + "1" + "0" * 23, "rng"),
        ("?block=²", "block"),
        ("?set=blocks=" + "9" * 5000, "blocks"),
        ("?set=blocks=" + "[" * 100_000, "blocks"),
        ("?set=blocks=NaN", "blocks"),
        ("?do=" + '{"a":' * 20_000, "do"),
        ('?do={"block":true}', "do"),
        ("?set=a=1" * 100_000, "link"),
        ("?" + "a=1&" * 3000, "link"),
    ],
)
def test_links_that_would_never_open_are_refused(query: str, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_link(query)
    assert caught.value.problems[0][0] == field
    assert len(str(caught.value)) < 500
