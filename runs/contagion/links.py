"""Who can have caused what, by the order of receipts alone.

These links are read off a market's receipts:

- *inventory*: who sells a token has it from the last liquidation, withdrawal or purchase that
  brought it (last in, first out, in token units); what it had at the start has no cause here. Who
  refinances takes out the collateral that their repayment has freed, and borrows anew for it;
- *price*: a liquidation, default or withdrawal of collateral follows sales that can have moved the
  price that an oracle read when it first was possible; who buys in one place what they sell in
  another follows who sold it there; who leaves a pool follows sales in it;
- *liquidity*: who withdraws what others owe follows who withdrew of it before;
- *flight*: who sells what they had from the start, and is said to watch some prices, follows sales
  that can have moved these;
- *rate*: who is said to watch the rate of a lending market, and repays there or withdraws
  elsewhere, follows who raised it: by withdrawing there, or by borrowing.

Where only one sale can have done it, order tells the parent; else `runs.contagion.cascades` asks
what happens without each. Who withdraws may have reasons of their own, so order never tells why.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.codes import Kind, Reason
from sim.names import VENUE

if TYPE_CHECKING:
    from sim.market import Market

SALE, LIQUIDATION, WITHDRAWAL = "sale", "liquidation", "withdrawal"
DEFAULT, SHOCK, FLIGHT = "default", "shock", "flight"
BORROWING, REPAYMENT, DEPOSIT = "borrowing", "repayment", "deposit"
EFFECTS = (LIQUIDATION, DEFAULT, WITHDRAWAL, FLIGHT, REPAYMENT)
INVENTORY, PRICE, LIQUIDITY, DEBT, RATE = "inventory", "price", "liquidity", "debt", "rate"
_OF_KIND = {
    Kind.SWAP: SALE,
    Kind.VENUE: SALE,
    Kind.LIQUIDATE: LIQUIDATION,
    Kind.WITHDRAW: WITHDRAWAL,
    Kind.DEPOSIT: DEPOSIT,
    Kind.BORROW: BORROWING,
    Kind.REPAY: REPAYMENT,
    Kind.REMOVE_LIQUIDITY: WITHDRAWAL,
}
_DUST = 1e-9
"""Share of an amount below which it counts as used up."""


def done_receipts(market: Market, all_calls: bool = True) -> pd.DataFrame:
    """Receipts of calls that were done, with what each is in a cascade.

    Args:
        market: After its run.
        all_calls: Or only those that are something in a cascade.

    Returns:
        Columns of `Market.receipts` as plain objects, ``role`` (sale, liquidation, withdrawal,
        deposit, borrowing, repayment or "") and ``decided``, the block at whose start its sender
        chose it.

    Raises:
        ValueError: If the market keeps no receipts.
    """
    if market.setup.measures.receipts != "all":
        raise ValueError('no receipts are kept; set measures.receipts = "all"')
    records = market.receipt_book.records()
    records = records[records["status"] == Reason.DONE]
    role = np.full(len(records), "", object)
    for kind, word in _OF_KIND.items():
        role[records["kind"] == kind] = word
    for n, protocol in enumerate(market.declared):
        among = (records["kind"] == Kind.PROTOCOL) & (records["protocol"] == n)
        if among.any():
            words = np.array([call.event for call in protocol.calls], object)
            role[among] = words[records["action"][among]]
    if not all_calls:
        told = role != ""
        records, role = records[told], role[told]
    frame = market.receipt_book.frame(records)
    kept = ["block", "transaction", "call", "sender", "cohort", "protocol"]
    kept += ["token_in", "amount_in", "token_out", "amount_out", "counterparty", "possible", "gas"]
    found = frame[kept].assign(role=role, decided=frame["block"] - frame["waited"])
    text = found.select_dtypes("category").columns
    return found.astype(dict.fromkeys(text, object))


def sources(receipts: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The receipt that brought most of what each call takes, last in first out; -1: none.

    Returns:
        int64[n], rows.
    """
    found = np.full(len(receipts), -1, np.int64)
    stock: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    columns = ("sender", "token_in", "amount_in", "token_out", "amount_out")
    for row, (who, paid, amount, got, brought) in enumerate(
        receipts[list(columns)].itertuples(index=False, name=None)
    ):
        # Who withdraws names the token that they get, and pays none of it.
        held, left, most = (stock[who, paid], amount, 0.0) if paid != got else ([], 0.0, 0.0)
        while held and left > _DUST * amount:
            used = min(held[-1][1], left)
            if used > most:
                most, found[row] = used, int(held[-1][0])
            left -= used
            held[-1][1] -= used
            if held[-1][1] <= _DUST * used:
                held.pop()
        if got and brought > 0.0:
            stock[who, got].append([row, brought])
    return found


@dataclass(frozen=True)
class Candidate:
    """What can have led to an event: a group's sales or withdrawals that it chose in one block.

    Attributes:
        group: Whose; "" of accounts of the market's own.
        decided: Block in which the group chose them.
        row: The largest of its receipts; -1: a shock itself.
        size: Token units, net of what the group took the other way.
        shock: Number of the shock that it is, or that made the receipt; -1: none.
        channel: By which it reaches the event, where that is not as of the others; "": it is.
    """

    group: str
    decided: int
    row: int
    size: float
    shock: int = -1
    channel: str = ""


@dataclass(frozen=True)
class Asked:
    """An event's possible parents.

    Attributes:
        candidates: The largest first.
        channel: By which they reach it.
        outside: Whether it may also have come by itself: a price that others move too, or who
            withdraws for reasons of their own.
    """

    candidates: list[Candidate]
    channel: str
    outside: bool = False


NOBODY = Asked([], "")


class Links:
    """Possible parents of each event of a market."""

    def __init__(
        self,
        market: Market,
        memory: int,
        least: float,
        watched: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        """Read a market's receipts.

        Args:
            market: After its run.
            memory: Blocks that a cause can lie back, beyond what an oracle waits.
            least: Share of all that was sold in a window below which a group's part is left out.
            watched: By group: places, and the token there that it watches, of a lending market
                the token's rate, of others the price at which it is sold, for which its own sales
                are flights.

        Raises:
            ValueError: If the market keeps no receipts, or there is no such group or place.
        """
        self.market, self.memory, self.least = market, memory, least
        self.watched: dict[str, list[tuple[str, str]]] = {}
        self.rates: dict[str, list[tuple[str, str]]] = {}
        for group, prices in (watched or {}).items():
            for place, token in prices:
                if group not in market.cohorts or token not in market.ledger.tokens:
                    raise ValueError(
                        f"no group {group!r} that watches {token!r}; name what is there"
                    )
                if place != VENUE and place not in market.protocols:
                    raise ValueError(
                        f"{place!r} is no place of this market; name a pool, a lending market "
                        f"or {VENUE}"
                    )
                of = self.rates if place in market.lending else self.watched
                of.setdefault(group, []).append((place, token))
        self.receipts = done_receipts(market)
        r = self.receipts
        # Who repays names what they pay twice, and gets nothing.
        self.sources = sources(r.assign(token_out=r["token_out"].mask(r["role"] == REPAYMENT, "")))
        self.rows: list[Any] = r.to_dict("records")
        self._sold = self._by(r["role"] == SALE, ("protocol", "token_in"))
        self._bought = self._by(r["role"] == SALE, ("protocol", "token_out"))
        self._left = self._by(r["role"] == WITHDRAWAL, ("protocol", "token_out"))
        self._seized = self._by(r["role"] == LIQUIDATION, ("protocol", "token_out"))
        self._deposited = self._by(r["role"] == DEPOSIT, ("protocol", "token_in"))
        self._borrowed = self._by(r["role"] == BORROWING, ("protocol", "token_out"))
        self._repaid = self._by(r["role"] == REPAYMENT, ("protocol", "token_out"))
        # Only the first call of a transaction has its gas.
        self._gas = r.groupby("transaction")["gas"].sum().to_dict()
        self._feeds = _feeds(market)
        self._declared = {protocol.name for protocol in market.declared}
        self._deleveraging = self._repaying()
        shocks = [shock.model_dump(exclude_none=True) for shock in market.setup.shocks]
        blocks = [market.setup.block_of(shock) for shock in market.setup.shocks]
        self.shocks = list(zip(blocks, shocks, strict=True))

    def _by(
        self, among: pd.Series, keys: tuple[str, str]
    ) -> Mapping[tuple[str, str], tuple[list[int], list[int]]]:
        """Blocks and rows of some receipts by protocol and token, in order."""
        found: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        r = self.receipts[among]
        for row, block, *key in zip(r.index, r["block"], *(r[key] for key in keys), strict=True):
            blocks, rows = found.setdefault((key[0], key[1]), ([], []))
            blocks.append(block)
            rows.append(row)
        return found

    def _repaying(self) -> set[int]:
        """Rows of withdrawals whose transaction also sells: of collateral, to pay a debt."""
        r = self.receipts
        sells = set(r.loc[r["role"] == SALE, "transaction"])
        among = r[(r["role"] == WITHDRAWAL) & r["transaction"].isin(sells)]
        return set(among.index)

    # Possible parents

    def of(self, row: int) -> Asked:
        """Of a receipt that was a liquidation, withdrawal, sale, borrowing or repayment."""
        call = self.rows[row]
        if call["role"] == LIQUIDATION:
            first = call["block"] - call["possible"] if call["possible"] >= 0 else call["decided"]
            return self.valued(call["protocol"], first, call["token_out"], call["token_in"])
        source = int(self.sources[row])
        if call["role"] == BORROWING:
            freed = self._repaid_before(row)
            return self._certain(freed, INVENTORY) if freed >= 0 else NOBODY
        if call["role"] == REPAYMENT:
            raised = self._raised(row, here=True)
            return Asked(self._material(raised), RATE, outside=True)
        if call["role"] == WITHDRAWAL:
            return self._of_withdrawal(row, source)
        return self._of_sale(row, source)

    def _of_withdrawal(self, row: int, source: int) -> Asked:
        call = self.rows[row]
        where, token, block = call["protocol"], call["token_out"], call["decided"]
        if (number := self._forced(row)) >= 0:
            struck = Candidate("", self.shocks[number][0], -1, call["amount_out"], number)
            return Asked([struck], LIQUIDITY)
        if source >= 0 and self.rows[source]["role"] in EFFECTS:
            return self._certain(source, INVENTORY)
        if (freed := self._repaid_before(row)) >= 0:
            return self._certain(freed, INVENTORY)
        if row in self._deleveraging and (where, token) in self._feeds:
            # What is taken out is sold to repay: for a price, or for the rate of what is owed.
            asked = self.valued(where, block, token)
            raised = self._material(self._raised(row, here=True))
            return Asked([*asked.candidates, *raised], PRICE, outside=True)
        if where in self.market.pools:
            tokens = [t for t in self.market.pools[where].tokens if t != self.market.numeraire]
            found = [c for t in tokens for c in self._sales(where, t, block - self.memory, block)]
            return Asked(self._material(found), PRICE, True)
        back = self._between(self._left, (where, token), block - self.memory, block)
        found = self._grouped(back, (), "amount_out") + self._raised(row, here=False)
        return Asked(self._material(found), LIQUIDITY, True)

    def is_repayment(self, row: int) -> bool:
        """Whether somebody repays who is said to watch the rate there."""
        call = self.rows[row]
        places = (place for place, _ in self.rates.get(call["cohort"], ()))
        return call["role"] == REPAYMENT and call["protocol"] in places

    def _repaid_before(self, row: int) -> int:
        """The repayment for a rate in the same transaction before a receipt, -1: none."""
        transaction = self.rows[row]["transaction"]
        if self.rows[row]["cohort"] not in self.rates:
            return -1
        for before in range(row - 1, -1, -1):
            if self.rows[before]["transaction"] != transaction:
                break
            if self.is_repayment(before):
                return before
        return -1

    def _raised(self, row: int, here: bool) -> list[Candidate]:
        """Who can have raised the rates that somebody watches: took cash, net of what they brought.

        Args:
            row: A receipt of who watches.
            here: Rates of the market that it calls, or of all others.
        """
        call = self.rows[row]
        end = call["decided"]
        found: list[Candidate] = []
        for place, token in self.rates.get(call["cohort"], ()):
            if (place == call["protocol"]) != here:
                continue
            took, brought = (
                [r for table in tables
                 for r in self._between(table, (place, token), end - self.memory, end)]
                for tables in ((self._left, self._borrowed), (self._deposited, self._repaid))
            )  # fmt: skip
            net = self._grouped(sorted(took), brought, "amount_out", "amount_in")
            found += [replace(one, channel=RATE) for one in net]
        return found

    def is_flight(self, row: int) -> bool:
        """Whether somebody sells what they had, who is said to do so for what they watch."""
        call = self.rows[row]
        return call["role"] == SALE and self.sources[row] < 0 and call["cohort"] in self.watched

    def _of_sale(self, row: int, source: int) -> Asked:
        if self.is_flight(row):
            call = self.rows[row]
            block, seen = call["decided"], self.watched[call["cohort"]]
            found = [c for place, token in seen
                     for c in self._sales(place, token, block - self.memory, block)]  # fmt: skip
            return Asked(self._material(found), PRICE, outside=True)
        if source < 0:
            return self._struck_by(row)
        brought, call = self.rows[source], self.rows[row]
        if brought["role"] in EFFECTS:
            return self._certain(source, INVENTORY)
        token, place, block = call["token_in"], brought["protocol"], brought["decided"]
        if brought["role"] == SALE:
            if call["transaction"] != brought["transaction"]:
                return NOBODY  # bought before, and held: nothing here made them sell
            own = self._between(self._bought, (place, token), block - self.memory, block)
            # What was sold before they last bought there has been bought back.
            own = [r for r in own if self.rows[r]["cohort"] == call["cohort"]]
            since = self.rows[own[-1]]["block"] if own else block - self.memory
            return Asked(
                self._material(self._sales(place, token, since, block)), PRICE, place == VENUE
            )
        if place not in self._declared:
            return NOBODY  # borrowed
        # What a protocol sells of those it has closed, in an auction.
        back = self._between(self._seized, (place, token), block - self.memory, block + 1)
        return Asked(self._material(self._grouped(back, (), "amount_out")), INVENTORY)

    def _certain(self, row: int, channel: str) -> Asked:
        call = self.rows[row]
        one = Candidate(call["cohort"], call["decided"], row, call["amount_out"])
        return Asked([one], channel)

    def _struck_by(self, row: int) -> Asked:
        """What shocks themselves sell is sold by no agent."""
        call = self.rows[row]
        if call["cohort"]:
            return NOBODY
        number = self._shock_of(row)
        if number < 0:
            return NOBODY
        block = self.shocks[number][0]
        return Asked([Candidate("", block, -1, call["amount_in"], number)], INVENTORY)

    def _forced(self, row: int) -> int:
        """The shock that sent a withdrawal in its owner's name, -1: who withdrew chose it.

        What shocks send takes no gas, and an agent's withdrawal does.
        """
        call = self.rows[row]
        if call["role"] != WITHDRAWAL or self._gas[call["transaction"]] > 0.0:
            return -1
        found = -1
        for number, (block, shock) in enumerate(self.shocks):
            ours = shock.get("agents") in (None, call["cohort"])
            if block <= call["block"] <= block + self.memory and ours:
                found = number if call["protocol"] in _words(shock) else found
        return found

    def _shock_of(self, row: int) -> int:
        """The shock that made a receipt of the market's own accounts, -1: none is known.

        The latest of those that name what is sold, and of them the one that names the amount.
        """
        call = self.rows[row]
        found = -1
        for number, (block, shock) in enumerate(self.shocks):
            if block <= call["block"] <= block + self.memory and call["token_in"] in _words(shock):
                if shock.get("amount") == call["amount_in"]:
                    return number
                found = number
        return found

    def valued(self, protocol: str, block: int, token: str, debt: str = "") -> Asked:
        """Of an event that a protocol's valuation lets happen.

        Args:
            protocol: That values.
            block: In which it first was possible.
            token: Collateral, whose price has fallen.
            debt: What is owed, whose price may have risen; "": of no matter.
        """
        found: list[Candidate] = []
        outside = False
        for what, up in ((token, False), (debt, True)):
            for place, traded, lag, span in self._feeds.get((protocol, what), ()):
                last = block - lag
                found += self._sales(place, traded, last - span, last, up)
                outside |= place == VENUE
        return Asked(self._material(found), PRICE, outside)

    def _sales(
        self, place: str, token: str, first: int, end: int, up: bool = False
    ) -> list[Candidate]:
        """Who can have moved a price down, or up, in blocks [first, end)."""
        down, other = (self._sold, self._bought)[:: -1 if up else 1]
        amounts = ("amount_in", "amount_out")[:: -1 if up else 1]
        ours = self._between(down, (place, token), first, end)
        theirs = self._between(other, (place, token), first, end)
        found = self._grouped(ours, theirs, *amounts)
        sold = {self._shock_of(row) for row in ours if not self.rows[row]["cohort"]}
        for number, (block, shock) in enumerate(self.shocks):
            # It strikes as its block begins, so that block's start sees it. What a shock itself
            # sells stands for it; of a token by name it moves the price outside.
            named = place in _words(shock) or (place == VENUE and token in _words(shock))
            if first < block <= end and named and number not in sold and not up:
                found.append(Candidate("", block, -1, np.inf, number))
        return found

    def _between(
        self,
        table: Mapping[tuple[str, str], tuple[list[int], list[int]]],
        key: tuple[str, str],
        first: int,
        end: int,
    ) -> list[int]:
        """Rows of blocks [first, end)."""
        blocks, rows = table.get(key, ([], []))
        return rows[bisect_left(blocks, first) : bisect_left(blocks, end)]

    def _grouped(
        self, rows: list[int], against: list[int] | tuple[()], amount: str, other: str = ""
    ) -> list[Candidate]:
        """Receipts by group and the block in which it chose, net of those the other way."""
        net: dict[tuple[str, int, int], float] = defaultdict(float)
        largest: dict[tuple[str, int, int], int] = {}

        def key_of(row: int) -> tuple[str, int, int]:
            group = self.rows[row]["cohort"]
            if (forced := self._forced(row)) >= 0:
                return "", self.rows[row]["decided"], forced
            return group, self.rows[row]["decided"], -1 if group else self._shock_of(row)

        for row in rows:
            key, size = key_of(row), self.rows[row][amount]
            net[key] += size
            if key not in largest or size > self.rows[largest[key]][amount]:
                largest[key] = row
        for row in against:
            net[key_of(row)] -= self.rows[row][other]
        return [
            Candidate(group, decided, row, net[group, decided, shock], shock)
            for (group, decided, shock), row in largest.items()
        ]

    def _material(self, found: list[Candidate]) -> list[Candidate]:
        """Those that are a part worth naming, the largest first."""
        total = sum(max(c.size, 0.0) for c in found if c.row >= 0)
        kept = [c for c in found if c.size > self.least * total]
        return sorted(kept, key=lambda c: (-c.size, c.row))

    def defaulted(self, protocol: str, entity: str, block: int) -> Asked:
        """Of an account that a protocol closed: its last liquidation, or what moved its prices."""
        for (where, _), (blocks, rows) in self._seized.items():
            if where == protocol:
                last = bisect_right(blocks, block)
                for row in reversed(rows[:last]):
                    if self.rows[row]["counterparty"] == entity:
                        return self._certain(row, DEBT)
        tokens = [token for where, token in self._feeds if where == protocol]
        asked = [self.valued(protocol, block, token) for token in tokens]
        found = [c for one in asked for c in one.candidates]
        return Asked(self._material(found), PRICE, any(one.outside for one in asked))


def _words(shock: Mapping[str, Any]) -> set[Any]:
    """Names that a shock gives."""
    return {value for value in shock.values() if isinstance(value, str)}


def _feeds(market: Market) -> dict[tuple[str, str], list[tuple[str, str, int, int]]]:
    """Where prices come from by which protocols value tokens.

    Returns:
        By protocol and token: place that is read, token that is sold there, lag, span.
    """
    oracles = {oracle.node: oracle for oracle in market.oracles.values()}
    by_token: dict[str, list[Any]] = defaultdict(list)
    for oracle in oracles.values():
        by_token[oracle.token].append(oracle)
    found: dict[tuple[str, str], list[tuple[str, str, int, int]]] = {}
    for handle in market.protocols.values():
        told = [e.target for e in handle.exposures() if e.channel == "price"]
        valued = [oracles[node] for node in told if node in oracles]
        for oracle in valued:
            found[handle.node, oracle.token] = list(_read(market, oracle, by_token))
        if valued:  # what is owed there need back nothing, and has an oracle too
            for token in by_token:
                if (handle.node, token) not in found:
                    found[handle.node, token] = list(_read(market, by_token[token][0], by_token))
    return found


def _read(
    market: Market, oracle: Any, by_token: Mapping[str, list[Any]]
) -> Iterator[tuple[str, str, int, int]]:
    """Places that an oracle reads, and what is sold there: of a pool's share all in the pool."""
    if oracle.reads is None:
        return
    place = VENUE if oracle.reads < 0 else list(market.pools)[oracle.reads]
    lag, span = oracle.span
    if place == VENUE or oracle.token in market.pools[place].tokens:
        yield place, oracle.token, lag, span
        return
    for token in market.pools[place].tokens:  # a share is as late as what its parts are
        for part in by_token.get(token, ()):
            if part.reads is not None:
                yield from _read(market, part, by_token)
