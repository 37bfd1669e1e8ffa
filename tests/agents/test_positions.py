"""Positions at the start: what each of the ways to come by collateral leaves behind."""

from __future__ import annotations

import pytest

from sim.names import HOLDERS, VENUE
from tests.agents.test_issued import BORROWER, RECEIPT, SHARE, backed


@pytest.mark.parametrize(("token", "seller"), [(SHARE, HOLDERS), (RECEIPT, VENUE)])
def test_who_sold_the_collateral_has_what_was_borrowed(token: str, seller: str) -> None:
    without = backed(token, us={"count": 0})
    with_them = backed(token)
    lent = 3 * BORROWER["equity"] * (BORROWER["leverage"] - 1.0)  # type: ignore[operator]
    more = with_them.ledger.balance(seller, "usdc") - without.ledger.balance(seller, "usdc")
    gave = 0.0 if token == SHARE else lent  # of the venue's own dollars for the deposits
    assert more == pytest.approx(lent - gave, abs=1e-3)
    if token == SHARE:
        gone = without.ledger.balance(HOLDERS, SHARE) - with_them.ledger.balance(HOLDERS, SHARE)
        assert gone * with_them.price(SHARE) == pytest.approx(3 * 5e4)
