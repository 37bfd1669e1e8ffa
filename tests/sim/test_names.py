"""Names that every market has."""

from __future__ import annotations

from collections.abc import Callable

from sim import Market, Scenario, names


def test_they_are_accounts_and_tokens_of_every_market(small: Callable[..., Scenario]) -> None:
    market = Market(small(), rng=1)
    first = [names.VENUE, names.PRODUCER, names.HOLDERS, names.TREASURY]
    assert list(market.ledger.accounts[:4]) == first
    assert names.share_name("eth-usdc") in market.ledger.tokens
    assert market.pools["eth-usdc"].share == names.share_name("eth-usdc")
