"""Kinds of pools by operations: every cell answers, or refuses and says so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from protocols import amm
from protocols.curve import Curve
from protocols.operations import SIGNATURES, addresses
from protocols.pool import ADDRESS
from protocols.weighted import priced_by_pool
from sim import Market, registry
from sim.codes import Reason
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.ledger import begin, undo
from tests.protocols.test_amm import setup

REFUSES = {
    "concentrated": {"fill": Reason.INVALID, "shares_for": Reason.LIMIT, "fair": "nan"},
    "bonding_curve": {
        "enter": Reason.INVALID,
        "leave": Reason.INVALID,
        "fill": Reason.INVALID,
        "shares_for": Reason.INVALID,
        "one_for_shares": Reason.INVALID,
        "exposure": "nan",
        "loss": "nan",
        "fair": "nan",
    },
    "constant_product": {},
    "weighted": {},
    "stableswap": {},
}
"""What a kind has no answer for, and how it says so; all else works."""


def asked(market: Market, operation: str) -> Any:
    """What a pool answers, asked as everybody asks."""
    w = market.world
    books, pool = w.books, w.pools[0]
    first, last = int(pool["tokens"][0]), int(pool["tokens"][int(pool["size"]) - 1])
    who = market.ledger.account("holders")
    lower, upper = -600, 600
    if pool["ranges"]:
        _, lower, upper, _ = position_of(market)
    prices = np.ones(int(pool["size"]))
    return {
        "price": lambda: amm.spot_price(books, pool, 0, 1),
        "priced": lambda: amm.priced(books, pool, 1, 0, 10.0)[0],
        "slope": lambda: amm.slope(books, pool, 1, 0, 10.0)[1],
        "to_rate": lambda: amm.amount_to_rate(
            books, pool, 1, 0, 0.9 * amm.slope(books, pool, 1, 0, 0.0)[1]
        ),
        "trade": lambda: amm.trade(books, pool, 1, 0, 10.0),
        "swap": lambda: amm.swap(books, pool, who, last, first, 10.0, 0.0),
        "enter": lambda: amm.add(books, pool, who, first, last, 1.0, 2000.0, 0.0, lower, upper),
        "leave": lambda: amm.remove(books, pool, who, -1, 0.5, 0.0, lower, upper),
        "fill": lambda: amm.first_entry(books, pool, who, np.array([1.0, 2000.0])),
        "shares_for": lambda: amm.add(books, pool, who, first, last, 0.0, 5.0, 0.0, lower, upper),
        "one_for_shares": lambda: amm.remove(books, pool, who, last, 0.5, 0.0, lower, upper),
        "held": lambda: amm.held(books, pool, who, lower, upper),
        "move": lambda: amm.move(books, w.pools, 0, 5),
        "follow": lambda: amm.follow_prices(books, pool),
        "relative_price": lambda: amm.spot_price(books, pool, 0, 1),
        "depth": lambda: amm.depth(books, pool, 0.01),
        "exposure": lambda: amm.exposure_to_price(books, pool),
        "loss": lambda: amm.impermanent_loss(books, pool, w.values),
        "loss_since": lambda: amm.loss_since(books, pool, 1500.0, 2000.0, 1.0),
        "result": lambda: amm.provider_result(books, pool, w.values),
        "fair": lambda: amm.fair_share_price(books, pool, prices),
        "rate_of_share": lambda: amm.rate_of_share(books, pool),
        "claims": lambda: amm.claims(books, pool),
        "claim": lambda: amm.claim(books, pool, 0),
    }[operation]()


def position_of(market: Market) -> Any:
    from protocols import concentrated

    return concentrated.position_at(market.world.books, market.world.pools[0], 0)


@pytest.mark.parametrize("operation", list(ADDRESS))
@pytest.mark.parametrize("kind", list(REFUSES))
def test_every_cell_works_or_refuses(kind: str, operation: str) -> None:
    market = Market(setup(kind), rng=1)
    books = market.ledger.books
    for token in ("eth", "usdc", "dai"):
        market.ledger.mint("holders", token, 1e5)
    before = books.balances.copy()
    begin(books)
    answer = asked(market, operation)
    undo(books, 0)
    assert (books.balances == before).all()
    refusal = REFUSES[kind].get(operation)
    if refusal == "nan":
        assert math.isnan(answer)
    elif isinstance(refusal, Reason):
        assert answer == (refusal, 0.0)
    elif isinstance(answer, tuple) and len(answer) == 2:
        assert answer[0] == Reason.DONE and answer[1] > 0.0
    elif operation == "claims":
        assert (answer > 0) == bool(market.world.pools[0]["ranges"])
    elif operation == "claim":
        assert (answer[0] >= 0) == bool(market.world.pools[0]["ranges"])
    elif operation not in ("move", "follow"):
        assert math.isfinite(answer)


def test_the_table_is_of_all_kinds_and_no_address_is_empty() -> None:
    assert set(REFUSES) == set(registry.pools())
    for kind in REFUSES:
        pool = Market(setup(kind), rng=1).world.pools[0]
        assert all(int(pool[field]) != 0 for field in ADDRESS.values())


def test_a_kind_that_nobody_knows_is_refused() -> None:
    for kind in ("cubic", "nowhere:Pool", "math:pi"):
        with pytest.raises(ScenarioError) as told:
            setup("weighted", pools={"pool": {"kind": kind, "weights": None}})
        assert told.value.problems[0][0] == "pools.pool.kind"


def test_a_kernel_that_answers_something_else_is_refused() -> None:
    @inner
    def tells_two(books, pool, i, o):  # type: ignore[no-untyped-def]
        return 1.0, 2.0

    with pytest.raises(TypeError, match=r"tells_two returns .*, as price it must return float64"):
        addresses(Curve(price=tells_two, priced=priced_by_pool))
    assert set(SIGNATURES) == set(ADDRESS)
