"""What is shown of kinds of protocol: the words, and that nothing is missing between them."""

from __future__ import annotations

import math

import pytest

from sim import Market, Scenario
from sim.shown import (
    Chart,
    Fact,
    Shown,
    Watched,
    all_shown,
    in_order_of_summary,
    own_charts,
    share,
    shown_by_node,
)
from tests.science.test_everybody import MORE


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (Fact("", "", "share"), "12.34 %"),
        (Fact("", "", "money", "usdc"), "0.123 usdc"),
        (Fact("", "", unit="eth"), "0.1234 eth"),
        (Fact("", ""), "0.1234"),
    ],
)
def test_a_fact_is_told_in_its_format(fact: Fact, text: str) -> None:
    assert fact.text(0.1234) == text
    assert fact.text(math.nan).startswith("–")


def test_shares_have_signs() -> None:
    assert (share(-0.5, 0), share(math.nan)) == ("-50 %", "–")


def test_charts_of_both_forms_get_whole_names_and_units() -> None:
    by_title = own_charts({"Both": ("a", "b")}, {"a": "eth", "b": "usdc"}, "p.")
    assert by_title == [Chart("Both", "eth", {"a": "p.a", "b": "p.b"})]
    (whole,) = own_charts([Chart("One", "m", {"line": "a"}, "money")], {}, "p.")
    assert whole == Chart("One", "m", {"line": "p.a"}, "money")


def test_orders_are_total() -> None:
    for found in (all_shown(), in_order_of_summary()):
        assert len(found) == len(set(map(type, found))) >= 5
    assert len({shown.order for shown in all_shown()}) == len(all_shown())


def test_every_protocol_of_a_network_is_shown_by_one() -> None:
    market = Market(Scenario.from_dict(MORE), rng=3)
    owners = shown_by_node(market.setup)
    known = {shown.kind for shown in all_shown()}
    for name, kind in market.exposure().nodes(data="kind"):
        assert (name in owners) == (kind in known) or owners[name].kind == ""


def test_a_kind_that_says_nothing_is_shown_as_it_is() -> None:
    market = Market("calm", rng=1)
    seen = Watched(market, lambda name: math.nan, lambda name: market.world.values[:0])
    assert Shown().state(seen, "anything", 1200.0).text == "1.2k usdc"
    assert Shown().charts(market.setup) == [] and Shown().facts(seen, "anything") == []
