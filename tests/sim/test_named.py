"""Things by their names, and answers for names that are not there."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from sim import Market, Scenario
from sim.named import Named, UnknownNameError, enumerated, html_table, not_there


def test_a_name_that_is_close_is_told_of(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    for view, wrong, right in (
        (market.pools, "eth-usd", "eth-usdc"),
        (market.lending, "bnak", "bank"),
        (market.oracles, "ETH", "eth"),
        (market.protocols, "oracle:et", "oracle:eth"),
    ):
        with pytest.raises(KeyError, match=r"no .* called") as error:
            view[wrong]
        if wrong != "ETH":
            assert f"did you mean {right!r}?" in str(error.value)
        assert view.get(wrong) is None and wrong not in view


def test_tokens_and_accounts_answer_likewise(market: Market) -> None:
    with pytest.raises(KeyError, match="no token called 'usd'; did you mean 'usdc'"):
        market.price("usd")
    with pytest.raises(KeyError, match="no account called 'bnk'; did you mean 'bank'"):
        market.wealth("bnk")


def test_of_many_names_only_the_closest_are_told() -> None:
    names = [f"trader-{n}" for n in range(1000)]
    text = not_there("account", "trader-77x", names)
    assert "did you mean 'trader-77' or" in text and text.endswith("there are 1,000")
    assert len(text) < 120


def test_it_is_a_dictionary_and_is_shown_a_line_each() -> None:
    held = Named("pools", {"a": 1, "b": 2})
    assert held == {"a": 1, "b": 2} and isinstance(held, dict)
    assert repr(held) == "pools:\n  'a': 1\n  'b': 2"
    assert repr(Named("pools")) == "pools: none"
    long = Named("pools", {str(n): n for n in range(50)})
    assert len(repr(long).splitlines()) == 22 and repr(long).endswith("and 30 more")
    assert long._repr_html_().count("<tr>") == 21


def test_copies_answer_as_well() -> None:
    held = Named("pools", {"a": 1})
    for copied in (copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        assert copied == held
        with pytest.raises(UnknownNameError, match="no pool called 'c'; known: a"):
            copied["c"]


def test_names_fit_into_a_line() -> None:
    assert enumerated(["a", "b"]) == "a, b" and enumerated([]) == ""
    text = enumerated([f"name-{n}" for n in range(100)], 40)
    assert text == "name-0, name-1, name-2 and 97 more" and len(text) <= 40
    assert enumerated(["x" * 90, "y"]) == "x" * 90 + " and 1 more"


def test_markup_is_shown_to_the_letter() -> None:
    page = html_table("<t>", [("<a>", "1 & 2")])
    assert "&lt;t&gt;" in page and "&lt;a&gt;" in page and "1 &amp; 2" in page
