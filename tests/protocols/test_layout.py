"""What an instance of a kind has: entries of a table, rows of numbers, references, values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import Field

from agents import MarketAgent
from protocols.interface import (
    ACCOUNTS,
    Call,
    Each,
    Event,
    Measure,
    Protocol,
    Rate,
    Settings,
    Table,
    Token,
    Value,
    add,
    cell,
    check_declaration,
    read,
    record_at,
    record_of,
    write,
)
from protocols.layout import numbers_of, references_of
from sim import Market, Scenario, registry
from sim.codes import Reason
from sim.compiled import inner
from sim.errors import ScenarioError
from sim.fields import Name, Names
from sim.ledger import DEBT, PLEDGE, burn, mint, transfer

KIND = "tests.protocols.test_layout:Desk"
AMOUNT, SINCE = range(2)
LOG_AMOUNT, LOG_WHO = range(2)
WIDTH = 2


class Line(Settings):
    """What one may pawn for."""

    token: str
    oracle: Annotated[str, Names("oracles")]
    ratio: float = 0.5


class DeskSettings(Settings):
    """A pawn desk of several tokens."""

    pool: Annotated[str | None, Names("pools")] = None
    backs: Annotated[str | None, Names("issued")] = None
    price: float = 1.0
    most: float | None = None
    manner: Literal["slow", "quick"] = "quick"
    log: int = 4
    lines: dict[Name, Line] = Field(default_factory=dict)


@inner
def worth_of_coin(w, me):
    """A coin is worth what the settings say."""
    return me.price


@inner
def pawn(w, me, call):
    """Pawn a token of some line for the coins that its oracle says."""
    for k in range(me.lines_count):
        line = me.lines[k]
        if line.token == call.token_in:
            coins = call.amount * w.feeds[line.oracle].price * line.ratio
            if not coins >= call.limit or coins > me.most:
                return Reason.LIMIT, 0.0
            if not transfer(w.books, call.sender, me.account, line.token, call.amount):
                return Reason.INSUFFICIENT_BALANCE, 0.0
            mint(w.books, call.sender, line.ticket, call.amount)
            mint(w.books, call.sender, line.debt, coins)
            mint(w.books, call.sender, me.coin, coins)
            add(w, line.owed, coins)
            add(w, cell(me.people, call.sender, WIDTH, AMOUNT), coins)
            write(w, cell(me.people, call.sender, WIDTH, SINCE), w.chain[0].block)
            n = int(read(w, me.done))
            if n >= me.log_table_rows:
                return Reason.TOO_LONG, 0.0
            write(w, cell(me.log_table, n, WIDTH, LOG_AMOUNT), coins)
            write(w, cell(me.log_table, n, WIDTH, LOG_WHO), call.sender)
            write(w, me.done, n + 1)
            return Reason.DONE, coins
    return Reason.INVALID, 0.0


@inner
def change(w, me, call):
    """Give the numeraire for coins, one for one, as far as it is there."""
    if call.token_in != me.coin or call.token_out != w.rules[0].numeraire:
        return Reason.INVALID, 0.0
    if not burn(w.books, call.sender, me.coin, call.amount):
        return Reason.INSUFFICIENT_BALANCE, 0.0
    if not transfer(w.books, me.account, call.sender, call.token_out, call.amount):
        return Reason.INVALID, 0.0
    return Reason.DONE, call.amount


@inner
def would_change(w, me, token_in, token_out, amount):
    """What `change` gives."""
    there = w.books.balances[me.account, token_out]
    if token_in != me.coin or token_out != w.rules[0].numeraire or amount > there:
        return 0.0
    return amount


@inner
def owed_of(w, me, k):
    """What is owed for a line."""
    return read(w, me.lines[k].owed)


class Desk(Protocol):
    """Has one of everything that a kind may have."""

    Settings = DeskSettings
    tokens = ("backs",)
    issues = (Token("coin", Value(worth_of_coin), held=True),)
    state: ClassVar[Mapping[str, str]] = {"done": "Pawned so far", "par": "Coins per debt"}
    each: ClassVar[Mapping[str, Each]] = {
        "lines": Each(
            3,
            tokens=("token",),
            issues=(
                Token("ticket", Rate("token", "unit"), PLEDGE),
                Token("debt", Rate("coin", "par"), DEBT),
            ),
            state={"owed": "Coins", "unit": "Tokens per ticket"},
            measures=(
                Measure("owed", "coins", "Owed", owed_of),
                Measure("unit", "tokens", "Of a ticket", "unit"),
            ),
        )
    }
    tables: ClassVar[Mapping[str, Table]] = {
        "people": Table({"amount": "Coins", "since": "Block"}, ACCOUNTS),
        "log_table": Table({"amount": "Coins", "who": "Row"}, "log"),
    }
    calls = (Call("pawn", pawn, gives="coin"), Call("change", change, pays="coin"))
    quote = would_change
    trade = "change"

    def start(self) -> None:
        """A ticket is a token, a debt a coin."""
        self.put("par", 1.0)
        for name in self.settings.lines:  # type: ignore[attr-defined]
            self.market.ledger.books.storage[self.entry("lines", name)["unit"]] = 1.0

    def begun(self) -> None:
        """Back the coins that are out."""
        out = self.market.ledger.supply(self.token("coin"))
        self.market.ledger.mint(self.name, self.market.numeraire, out)

    def robbed(self, size: float) -> Callable[[], None]:
        """Lose a share of the numeraire that it holds until it is found."""
        token = self.market.numeraire
        lost = size * self.market.ledger.balance(self.name, token)
        self.pay(self.name, "holders", token, lost)

        def found() -> None:
            self.market.ledger.transfer("holders", self.name, token, lost)

        return found

    events = (Event("robbed", "A share of its cash is gone", robbed),)


DESK: dict[str, Any] = {
    "kind": KIND,
    "pool": "eth-usdc",
    "lines": {"ether": {"token": "eth", "oracle": "eth", "ratio": 0.4}},
}


class Idle(MarketAgent):
    """Holds what it has."""

    def step(self) -> None:
        """Do nothing."""


@pytest.fixture
def desk(small: Callable[..., Scenario]) -> tuple[Market, Idle]:
    """A market with a desk, and Ann with ten ether."""
    market = Market(small(protocols={"desk": DESK}), rng=1)
    return market, Idle(market, {"eth": 10.0}, "ann")


def test_the_record_names_tokens_others_and_numbers(desk: tuple[Market, Idle]) -> None:
    market, _ = desk
    r = market.protocols["desk"].record[0]  # type: ignore[attr-defined]
    assert r["pool"] == list(market.pools).index("eth-usdc")
    assert r["backs"] == -1 and np.isnan(r["most"]) and r["manner"] == 1
    assert r["lines_count"] == 1
    assert r["lines"][0]["token"] == market.ledger.token("eth")
    assert r["lines"][0]["ticket"] == market.ledger.token("desk-ticket-ether")
    assert r["lines"][0]["ratio"] == 0.4
    assert references_of(DeskSettings) == {"pool": "pools"}
    assert set(numbers_of(DeskSettings)) == {"price", "most", "manner", "log"}


def test_an_entry_of_its_settings_has_tokens_numbers_and_measures(
    desk: tuple[Market, Idle],
) -> None:
    market, ann = desk
    before, price = ann.wealth, market.oracles["eth"].price
    ann.act("desk", "pawn", 2.0, token_in="eth")
    market.run(1)
    assert ann.wallet["desk-ticket-ether"] == 2.0
    assert ann.wallet["desk-coin"] == pytest.approx(0.8 * price)
    assert ann.wealth == pytest.approx(before, rel=0.01), "but for gas and ether's move"
    row = market.datacollector.get_model_vars_dataframe().iloc[-1]
    assert row["protocol.desk.owed.ether"] == pytest.approx(0.8 * price)
    assert row["protocol.desk.unit.ether"] == 1.0
    market.ledger.audit()


def test_rows_of_tables_are_stored_and_taken_back(desk: tuple[Market, Idle]) -> None:
    market, ann = desk
    held = market.protocols["desk"]
    for _ in range(5):  # the log has room for four
        ann.act("desk", "pawn", 1.0, token_in="eth")
        market.run(1)
    done = market.receipts().query("sender == 'ann'")["status"]
    assert list(done) == ["done"] * 4 + ["reverted"]
    assert held.value("done") == 4.0  # type: ignore[attr-defined]
    log = held.rows("log_table")  # type: ignore[attr-defined]
    assert (log[:, LOG_WHO] == ann.account).all()
    people = held.rows("people")  # type: ignore[attr-defined]
    assert people[ann.account, AMOUNT] == pytest.approx(log[:, LOG_AMOUNT].sum())
    assert people[ann.account, SINCE] == 4.0


def test_tables_of_accounts_grow_with_them(desk: tuple[Market, Idle]) -> None:
    market, ann = desk
    ann.act("desk", "pawn", 1.0, token_in="eth")
    market.run(1)
    kept = market.protocols["desk"].rows("people")[ann.account].copy()  # type: ignore[attr-defined]
    others = [Idle(market, {"eth": 1.0}, f"b{n}") for n in range(70)]
    others[-1].act("desk", "pawn", 1.0, token_in="eth")
    market.run(1)
    people = market.protocols["desk"].rows("people")  # type: ignore[attr-defined]
    assert (people[ann.account] == kept).all() and kept[AMOUNT] > 0.0
    assert people[others[-1].account, AMOUNT] > 0.0
    assert len(people) >= len(market.ledger.accounts)


def test_wallets_and_pools_may_hold_a_coin_from_the_start(small: Callable[..., Scenario]) -> None:
    content = small(protocols={"desk": DESK}).to_dict()
    content["pools"]["coin-usdc"] = {
        "tokens": ["desk-coin", "usdc"], "reserves": {"desk-coin": 500.0, "usdc": 500.0},
    }  # fmt: skip
    for group in content["agents"].values():
        group["wallet"]["desk-coin"] = 3.0
    market = Market(content, rng=1)
    agents = sum(len(cohort) for cohort in market.cohorts.values())
    assert market.ledger.supply("desk-coin") == 500.0 + 3.0 * agents
    assert market.ledger.balance("desk", "usdc") == market.ledger.supply("desk-coin")
    market.run(3)
    market.ledger.audit()


def test_what_it_says_a_token_is_worth_counts(small: Callable[..., Scenario]) -> None:
    market = Market(small(protocols={"desk": DESK | {"price": 0.9}}), rng=1)
    assert market.price("desk-coin") == 0.9
    ann = Idle(market, {"desk-coin": 10.0}, "ann")
    assert ann.wealth == pytest.approx(9.0)


def test_an_event_strikes_and_is_taken_back(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "event", "protocol": "desk", "event": "robbed", "size": 0.25, "block": 2}
    scenario = small(protocols={"desk": DESK}, shocks=[shock | {"blocks": 3}])
    market = Market(scenario, rng=1)
    market.ledger.mint("desk", "usdc", 100.0)
    seen = []
    for _ in range(6):
        market.run(1)
        seen.append(market.ledger.balance("desk", "usdc"))
    assert seen == [100.0, 75.0, 75.0, 75.0, 100.0, 100.0]
    market.ledger.audit()


DESKS = record_of(Desk)


@inner
def _peek(w, p):
    """What another protocol's kernels read."""
    return record_at(w.protocols[p].record, DESKS).lines[0].ratio


def test_other_kernels_read_its_record(desk: tuple[Market, Idle]) -> None:
    market, _ = desk
    from numba import njit

    @njit
    def ask(w: Any) -> float:
        return float(_peek(w, 0))

    assert ask(market.world) == 0.4


@pytest.mark.parametrize(
    ("change", "field", "word"),
    [
        ({"pool": "nowhere"}, "protocols.desk.pool", "nowhere"),
        ({"backs": "nothing"}, "protocols.desk.backs", "nothing"),
        (
            {"lines": {"e": {"token": "xyz", "oracle": "eth"}}},
            "protocols.desk.lines.e.token",
            "xyz",
        ),
        (
            {"lines": {"e": {"token": "eth", "oracle": "moon"}}},
            "protocols.desk.lines.e.oracle",
            "moon",
        ),
        (
            {"lines": {c: {"token": "eth", "oracle": "eth"} for c in "abcd"}},
            "protocols.desk.lines",
            "3 at most",
        ),
    ],
)
def test_what_is_not_there_is_named(
    small: Callable[..., Scenario], change: dict[str, Any], field: str, word: str
) -> None:
    with pytest.raises(ScenarioError) as told:
        small(protocols={"desk": DESK | change})
    assert any(at == field and word in text for at, text in told.value.problems), told.value


def test_an_event_that_it_does_not_know_is_named(small: Callable[..., Scenario]) -> None:
    shock = {"kind": "event", "protocol": "desk", "event": "rained_on", "block": 2, "blocks": 1}
    with pytest.raises(ScenarioError, match="robbed"):
        small(protocols={"desk": DESK}, shocks=[shock])


def test_declarations_that_contradict_themselves_are_refused() -> None:
    def declared(**fields: Any) -> None:
        check_declaration(type("Odd", (), {}) if not fields else _odd(fields))

    for fields, word in (
        ({"each": {"nothing": Each(2)}}, "nothing"),
        ({"tables": {"rows": Table({"a": "b"}, "nowhere")}}, "nowhere"),
        ({"tables": {"rows": Table({}, 3)}}, "no fields"),
        ({"quote": would_change}, "belong together"),
        ({"quote": would_change, "trade": "sing"}, "sing"),
        ({"each": {"lines": Each(2, tokens=("price_of",))}}, "price_of"),
    ):
        with pytest.raises(TypeError, match=word):
            declared(**fields)


def _odd(fields: dict[str, Any]) -> Any:
    """A class like the desk's with something else in it, not yet checked."""
    base = {
        "Settings": DeskSettings, "tokens": (), "issues": (), "state": {}, "calls": (), "owes": (),
        "each": {}, "tables": {}, "quote": None, "trade": "", "events": (), "claims": None,
        "channels": (), "outside": (), "measures": (), "charts": {}, "card": (),
        "look": Protocol.look,
    }  # fmt: skip
    return type("Odd", (), base | fields)


def test_it_is_known_by_its_module() -> None:
    assert registry.protocol(KIND).__name__ == "Desk"
