"""Who can have caused what: read off receipts that are made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from runs.contagion.links import LIQUIDATION, SALE, WITHDRAWAL, Links, done_receipts, sources
from sim import Market, Scenario

Make = Callable[..., Scenario]


def calls(*rows: tuple[str, str, float, str, float]) -> pd.DataFrame:
    columns = ["sender", "token_in", "amount_in", "token_out", "amount_out"]
    return pd.DataFrame(rows, columns=columns)


def test_the_last_that_came_is_the_first_that_goes() -> None:
    r = calls(
        ("a", "usdc", 10.0, "eth", 5.0),
        ("a", "usdc", 6.0, "eth", 3.0),
        ("b", "eth", 3.0, "usdc", 6.0),  # another's: what it had at the start
        ("a", "eth", 3.0, "usdc", 6.0),
        ("a", "eth", 4.0, "usdc", 8.0),
        ("a", "eth", 9.0, "usdc", 18.0),  # one that is left of the first, and its own
        ("a", "eth", 9.0, "usdc", 18.0),
    )
    assert sources(r).tolist() == [-1, -1, -1, 1, 0, 0, -1]


def test_who_withdraws_pays_nothing_of_it() -> None:
    r = calls(("a", "usdc", 5.0, "usdc", 5.0), ("a", "usdc", 5.0, "usdc", 5.0),
              ("a", "usdc", 5.0, "eth", 2.0))  # fmt: skip
    assert sources(r).tolist() == [-1, -1, 1]


def test_without_receipts_there_is_nothing_to_read(small: Make) -> None:
    market = Market(small(measures={"receipts": "none"}, blocks=2)).run()
    with pytest.raises(ValueError, match=r"measures\.receipts"):
        done_receipts(market)


def test_an_oracle_tells_where_its_price_comes_from(small: Make) -> None:
    twap = {"token": "eth", "source": "pool_twap", "pool": "eth-usdc", "window": 7, "lag": 2}
    market = Market(small(oracles={"eth": twap}))
    links = Links(market, 50, 0.05)
    assert links._feeds["bank", "eth"] == [("eth-usdc", "eth", 2, 7)]
    plain = Links(Market(small()), 50, 0.05)
    assert plain._feeds["bank", "eth"] == [("venue", "eth", 0, 1)]
    assert plain._feeds["bank", "usdc"] == [], "a fixed price is moved by nobody"


def test_only_sales_in_the_window_can_have_moved_it(small: Make) -> None:
    """Two sales strike, of which an average of two blocks has seen one."""
    twap = {"token": "eth", "source": "pool_twap", "pool": "eth-usdc", "window": 2}
    sale = {"kind": "whale_sale", "token": "eth", "amount": 10.0, "target": "eth-usdc"}
    shocks = [sale | {"block": 3}, sale | {"block": 8}]
    market = Market(small(oracles={"eth": twap}, shocks=shocks, blocks=10)).run()
    links = Links(market, 50, 0.05)
    assert [row["block"] for row in links.rows if row["role"] == SALE] == [3, 8]

    def seen(block: int) -> list[int]:
        asked = links.valued("bank", block, "eth", "usdc")
        return [links.rows[c.row]["block"] for c in asked.candidates if c.row >= 0]

    assert [seen(block) for block in (3, 4, 5, 6, 9)] == [[], [3], [3], [], [8]]
    asked = links.of(0)
    assert [c.shock for c in asked.candidates] == [0], "the shock itself has sold"


def test_every_call_says_what_it_is() -> None:
    """Protocols that can seize, be left or be sold to say so of some call."""
    from sim import registry

    said = {
        kind: {call.event for call in cls.calls} - {""}  # type: ignore[attr-defined]
        for kind, cls in registry.protocols().items()
    }
    assert said["cdp"] == {LIQUIDATION} and said["savings"] == {WITHDRAWAL}
    assert said["soft"] >= {LIQUIDATION, SALE}
    for kind, cls in registry.protocols().items():
        names = {call.name for call in cls.calls}  # type: ignore[attr-defined]
        if names & {"bite", "liquidate"}:
            assert LIQUIDATION in said[kind], kind
