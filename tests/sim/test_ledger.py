"""The ledger conserves, whatever is asked of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.compiled import kernel
from sim.ledger import (
    DEBT,
    FREE,
    JOURNAL_LENGTH,
    PLEDGE,
    Ledger,
    LedgerError,
    begin,
    burn,
    column_sums,
    exchange,
    mint,
    overflowed,
    store,
    transfer,
    undo,
    worst_leak,
)


def books(apart: str | None = None) -> Ledger:
    names = ["ann", "bob", "cat"]
    ledger = Ledger(names, ["eth", "usdc"], {"usdc": "mint"}, slots=2, apart=apart)
    ledger.mint("ann", "eth", 10.0)
    ledger.mint("bob", "usdc", 500.0)
    return ledger


def test_a_transfer_moves_and_an_audit_finds_nothing() -> None:
    ledger = books()
    ledger.transfer("ann", "cat", "eth", 4.0)
    held = [ledger.balance(who, "eth") for who in ledger.accounts]
    assert held == [6.0, 0.0, 4.0]
    assert ledger.supply("eth") == 10.0
    assert ledger.audit() == 0.0


def test_nobody_pays_what_he_does_not_hold() -> None:
    ledger = books()
    with pytest.raises(ValueError, match=r"cannot move 11.0 eth: ann holds 10.0"):
        ledger.transfer("ann", "bob", "eth", 11.0)
    for amount in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="cannot"):
            ledger.transfer("ann", "bob", "eth", amount)
        with pytest.raises(ValueError, match="cannot"):
            ledger.mint("ann", "eth", amount)
    with pytest.raises(ValueError, match="cannot burn"):
        ledger.burn("ann", "usdc", 1.0)


@kernel
def exchanged(books, giver, taker, amount, back):
    return exchange(books, giver, taker, 0, amount, 1, back)


@pytest.mark.parametrize("right", [FREE, PLEDGE, DEBT])
@pytest.mark.parametrize("full", [False, True])
def test_an_exchange_is_two_transfers(right: int, full: bool) -> None:
    amounts = [0.0, 1.0, 10.0, 10.0 * (1.0 + 5e-13), 11.0, -1.0, math.nan, math.inf]
    backs = [0.0, 500.0, 500.0 * (1.0 + 5e-13), 501.0, -1.0, math.nan, math.inf]
    for giver, taker in ((0, 1), (1, 0), (0, 0)):
        for amount in amounts:
            for back in backs:
                one, two = books(), books()
                for ledger in (one, two):
                    ledger.books.rights[0] = right
                    begin(ledger.books)
                    ledger.books.head[0] = JOURNAL_LENGTH - 3 if full else 0
                b = two.books
                both = transfer(b, giver, taker, 0, amount) and transfer(b, taker, giver, 1, back)
                if not both:  # the one that was done goes with the transaction
                    undo(b, JOURNAL_LENGTH - 3 if full else 0)
                done = exchanged(one.books, giver, taker, amount, back)
                if not done:
                    undo(one.books, JOURNAL_LENGTH - 3 if full else 0)
                assert done == both
                assert (one.balances == two.balances).all()
                n = b.head[0]
                assert one.books.head[0] == n
                assert (one.books.journal[:n] == b.journal[:n]).all()
                undo(one.books, JOURNAL_LENGTH - 3 if full else 0)
                assert (one.balances == books().balances).all()


def test_names_are_checked_where_the_ledger_is_built() -> None:
    with pytest.raises(ValueError, match="account names must differ"):
        Ledger(["a", "a"], ["x"])
    with pytest.raises(ValueError, match="do not exist"):
        Ledger(["a"], ["x"], {"y": "pool"})
    with pytest.raises(KeyError, match="no token called 'doge'"):
        books().supply("doge")
    with pytest.raises(KeyError, match="no account called 'zoe'"):
        books().balance("zoe", "eth")


def test_an_audit_finds_what_went_round_the_primitives() -> None:
    ledger = books()
    ledger.balances[0, 0] += 1e-7
    with pytest.raises(LedgerError, match="eth leaks"):
        ledger.audit()
    ledger = books()
    ledger.balances[0, 1] -= 1.0
    ledger.balances[1, 1] += 1.0
    with pytest.raises(LedgerError, match="ann holds"):
        ledger.audit()
    ledger = books()
    ledger.balances[2, 0] = math.nan
    with pytest.raises(LedgerError):
        ledger.audit()


def test_dust_is_read_as_all_of_it() -> None:
    ledger = books()
    begin(ledger.books)
    assert transfer(ledger.books, 0, 1, 0, 10.0 * (1.0 + 1e-13))
    assert ledger.balance("ann", "eth") == 0.0
    assert ledger.balance("bob", "eth") == 10.0


OPERATION = st.tuples(
    st.sampled_from(["transfer", "mint", "burn", "store"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 1),
    st.one_of(
        st.floats(0.0, 1e6),
        st.sampled_from([0.0, -1.0, math.nan, math.inf, 1e300, 5e-324]),
    ),
)


def do(ledger: Ledger, operation: tuple) -> None:
    kind, source, target, token, amount = operation
    if kind == "transfer":
        transfer(ledger.books, source, target, token, amount)
    elif kind == "mint":
        mint(ledger.books, target, token, amount if amount < 1e200 else -1.0)
    elif kind == "burn":
        burn(ledger.books, source, token, amount)
    else:
        store(ledger.books, token, amount)


@given(st.lists(OPERATION, max_size=40))
def test_any_mix_of_operations_conserves(operations: list[tuple]) -> None:
    ledger = books()
    for operation in operations:
        begin(ledger.books)
        do(ledger, operation)
    assert ledger.audit() <= 1e-9


@given(st.lists(OPERATION, max_size=40), st.lists(OPERATION, max_size=40))
def test_an_undone_transaction_leaves_no_trace(before: list[tuple], after: list[tuple]) -> None:
    ledger = books()
    for operation in before:
        do(ledger, operation)
    b = ledger.books
    begin(b)
    was = b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()
    for operation in after:
        do(ledger, operation)
    undo(b, 0)
    assert (b.balances.tobytes(), b.supply.tobytes(), b.storage.tobytes()) == was


def test_a_transaction_longer_than_the_journal_is_refused_and_can_be_undone() -> None:
    ledger = books()
    b = ledger.books
    begin(b)
    was = b.balances.tobytes()
    for _ in range(JOURNAL_LENGTH):
        transfer(b, 0, 1, 0, 1e-3)
    assert overflowed(b)
    undo(b, 0)
    assert b.balances.tobytes() == was
    assert not overflowed(b)


@given(st.integers(1, 19), st.integers(0, 30), st.integers(0, 10_000))
def test_column_sums_are_numpys(tokens: int, accounts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ledger = Ledger([f"a{i}" for i in range(accounts + 1)], [f"t{i}" for i in range(tokens)])
    ledger.balances[:] = rng.random((accounts + 1, tokens))
    sums = np.zeros(tokens)
    assert column_sums(ledger.books, 0, accounts + 1, sums)
    np.testing.assert_allclose(sums, ledger.balances.sum(axis=0), rtol=1e-12)
    ledger.balances[accounts, tokens - 1] = -1.0
    assert not column_sums(ledger.books, 0, accounts + 1, np.zeros(tokens))


def test_worst_leak_names_the_column() -> None:
    ledger = books()
    gap, column = worst_leak(ledger.books, np.array([10.0, 501.0]), -1)
    assert (gap, column) == (pytest.approx(1.0 / 500.0), 1)
    gap, column = worst_leak(books("bob").books, np.array([10.0, 501.0]), 1)  # bob has all of it
    assert (gap, column) == (pytest.approx(1.0), 1)


def test_rounding_of_what_has_gone_is_no_leak() -> None:
    names = [f"a{i}" for i in range(2000)]
    ledger = Ledger(names, ["debt"])
    amounts = np.random.default_rng(1).lognormal(9.0, 2.0, len(names))
    for name, amount in zip(names, amounts, strict=True):
        ledger.mint(name, "debt", amount)
    ledger.audit()
    for name in reversed(names):
        ledger.burn(name, "debt", ledger.balance(name, "debt"))
    assert 1e-9 < abs(ledger.supply("debt")) < 1e-9 * amounts.sum()
    assert ledger.audit() < 1e-14
    ledger.balances[0, 0] += 1e-8 * amounts.sum()
    with pytest.raises(LedgerError, match="debt leaks"):
        ledger.audit()


def test_what_comes_and_goes_between_two_audits_leaves_rounding_that_is_no_leak() -> None:
    ledger = Ledger(["ann", "bob"], ["share"])
    ledger.mint("ann", "share", 0.1)
    ledger.audit()
    ledger.mint("bob", "share", 1e9)
    ledger.burn("bob", "share", 1e9)
    assert ledger.balance("ann", "share") != ledger.supply("share")  # the supply alone was rounded
    assert ledger.audit() < 1e-14
    ledger.balances[0, 0] += 2.0
    with pytest.raises(LedgerError, match="share leaks"):
        ledger.audit()


def test_what_is_minted_for_the_account_apart_hides_no_leak() -> None:
    ledger = Ledger(["venue", "ann"], ["usd"], apart="venue")
    ledger.mint("venue", "usd", 1e12)
    ledger.mint("ann", "usd", 1.0)
    ledger.audit()
    ledger.balances[1, 0] += 10.0
    with pytest.raises(LedgerError, match="usd leaks"):
        ledger.audit()


def test_no_more_is_minted_than_a_number_can_say() -> None:
    ledger = Ledger(["ann", "bob"], ["coin"])
    ledger.mint("ann", "coin", 1e308)
    with pytest.raises(ValueError, match="finite"):
        ledger.mint("bob", "coin", 1e308)
    assert ledger.supply("coin") == 1e308
    assert ledger.audit() == 0.0


def test_a_ledger_grows_by_accounts_and_tokens() -> None:
    ledger = books()
    row, column = ledger.open_account("dan"), ledger.add_token("dai", issuer="maker")
    ledger.mint("dan", "dai", 3.0)
    assert ledger.balances[row, column] == 3.0
    assert ledger.issuers["dai"] == "maker"
    assert ledger.audit() == 0.0
    with pytest.raises(ValueError, match="already"):
        ledger.open_account("dan")
    with pytest.raises(ValueError, match="already"):
        ledger.add_token("dai")


def test_endow_gives_a_run_of_accounts_their_wallets() -> None:
    ledger = books()
    ledger.endow(1, "eth", [1.0, 2.0])
    assert ledger.supply("eth") == 13.0
    assert ledger.audit() == 0.0
    with pytest.raises(ValueError, match="finite"):
        ledger.endow(1, "eth", [math.nan, 2.0])
