"""Governors: holders of a debt-backed coin's governance token, who vote on its terms, late.

A governor watches what Maker's votes of 2019 and 2020 were about: where the coin trades against
one, how much of its ceilings is used, and how much of what auctions were for they did not bring
back. Where one of the three is beyond what it bears, it decides what will be done; that takes
effect only after a delay (a poll, an executive vote, a timelock: days), whatever has happened
since, and the next decision of that kind comes no sooner than a rest after that.

- Below one the stability fee goes up by a step, above one down: whoever owes coins then buys some
  back, or draws some and sells them (`vault_owner`, `vault_arbitrageur`).
- A ceiling that is nearly reached is raised.
- After auctions that failed, bids may be outbid for longer and lots are larger, as in the week
  after 12 March 2020 (ten minutes became six hours, 50 ether 500), and vaults need more collateral
  if it asks for that: which makes vaults unsafe that were not.

The price that it looks at is a mean over its memory: a vote is not about one trade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from agents.base import Behaviour, Column
from agents.targets import DebtPositions, Targets
from protocols import cdp
from protocols.interface import read
from sim.compiled import inner, kernel, record_at
from sim.distribution import MOST
from sim.measures import market_price

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

RECORD = cdp.RECORD
PEG, CEILINGS, AUCTIONS = range(3)
"""What is voted on."""
VOTES = 3
LONGEST = 10_000_000.0
"""Blocks: nearly four years of twelve seconds."""
SAFEST = 100.0
"""Least collateral over debt that no vote goes beyond: `protocols.cdp.Collateral`."""


@kernel
def fee_voted(price, band, step):
    """Change of the stability fee that a price of the coin asks for, per year.

    Args:
        price: Of the coin lately, in what it is to be worth one of.
        band: Deviation from one that is borne.
        step: Of one vote.
    """
    if price < 1.0 - band:
        return step
    if price > 1.0 + band:
        return -step
    return 0.0


@kernel
def share_lost(debt, brought):
    """Share of debts that auctions did not bring back; 0 where there were none."""
    return max(1.0 - brought / debt, 0.0) if debt > 0.0 else 0.0


@inner
def _ceilings(w, my, protocol):
    """Decide on ceilings that are nearly reached. Returns whether there are any."""
    found = False
    for k in range(protocol.collaterals_count + 1):
        last = k == protocol.collaterals_count
        ceiling = protocol.ceiling if last else protocol.collaterals[k].ceiling
        owed = cdp.debts(w, protocol) if last else cdp.debt_of_line(w, protocol, k)
        full = owed > my.full * ceiling
        my.ceilings[k] = min(ceiling * (1.0 + my.raises), MOST) if full else 0.0
        found = found or full
    return found


@inner
def _is_wanted(w, my, protocol, vote):
    """Decide on one of the three. Returns whether something is to be done."""
    if vote == PEG:
        my.fee_change = fee_voted(my.price, my.band, my.step)
        return my.fee_change != 0.0
    if vote == CEILINGS:
        return my.raises > 0.0 and _ceilings(w, my, protocol)
    debt = read(w, protocol.settled_debt) - my.debt_seen
    return share_lost(debt, read(w, protocol.settled_bids) - my.bids_seen) > my.lost


@inner
def _act(w, my, protocol, vote):
    """Do what was decided."""
    lines = protocol.collaterals_count
    if vote == PEG:
        for k in range(lines):
            line = protocol.collaterals[k]
            line.fee = min(max(line.fee + my.fee_change, 0.0), my.most_fee)
    elif vote == CEILINGS:
        for k in range(lines):
            line = protocol.collaterals[k]
            line.ceiling = max(line.ceiling, my.ceilings[k])
        protocol.ceiling = max(protocol.ceiling, my.ceilings[lines])
    else:
        for k in range(lines):
            line = protocol.collaterals[k]
            line.lot = min(line.lot * my.larger, MOST)
            line.ratio = min(line.ratio * (1.0 + my.stricter), SAFEST)
        protocol.bid_duration = min(protocol.bid_duration * my.longer, LONGEST)
        protocol.auction_length = min(protocol.auction_length * my.longer, LONGEST)
    my.steps[vote] += 1.0


@inner
def decide(w, me):
    """Watch, decide, and do what was decided a delay ago."""
    block = w.chain[0].block
    protocol = record_at(w.protocols[me.places[0]].record, RECORD)
    price = market_price(w, cdp.coin_of(protocol))
    for i in range(me.size):
        my = me.rows[i]
        if not my.price > 0.0:
            my.price = price
        my.price += (price - my.price) / my.memory
        for vote in range(VOTES):
            if my.due[vote] > 0.0:
                if block >= my.due[vote]:
                    _act(w, my, protocol, vote)
                    my.due[vote] = 0.0
                    my.rests[vote] = block + my.rest
                    if vote == AUCTIONS:  # those before it do not tell how it works
                        my.debt_seen = read(w, protocol.settled_debt)
                        my.bids_seen = read(w, protocol.settled_bids)
            elif block >= my.rests[vote] and _is_wanted(w, my, protocol, vote):
                my.due[vote] = block + my.delay


class Governor(Behaviour):
    """Votes on the terms of a debt-backed coin, with effect after a delay."""

    columns: ClassVar[Mapping[str, Column]] = {
        "memory": Column("Over which it takes the mean price", "blocks", 7_200.0, 1.0, LONGEST),
        "band": Column("Deviation of the price from one that it bears", "share", 0.01, 0.0, 1.0),
        "step": Column("Change of the fee by one vote", "per year", 0.02, 0.0, 10.0),
        "most_fee": Column("Most that the fee may be", "per year", 0.25, 0.0, 10.0),
        "full": Column("Use of a ceiling from which it raises it", "share", 0.9, 0.0, 1.0),
        "raises": Column("By how much", "share", 0.2, 0.0, 100.0),
        "lost": Column("Of debts, not brought by auctions, that alarms it", "share", 0.1, 0.0, 1.0),
        "longer": Column("Times that auctions are then to last", "multiple", 36.0, 1.0, 1000.0),
        "larger": Column("Times that lots are then to hold", "multiple", 10.0, 1.0, 1000.0),
        "stricter": Column("What is added to the least ratio", "share", 0.0, 0.0, 1.0),
        "delay": Column("From decision to effect", "blocks", 21_600.0, 1.0, LONGEST),
        "rest": Column("Before it decides on the same again", "blocks", 21_600.0, 0.0, LONGEST),
        "price": Column("Mean price of the coin", "numeraire", state=True),
        "fee_change": Column("Of the fee, decided last", "per year", state=True),
        "ceilings": Column(
            "Decided last, of each collateral and in all", "coins", state=True,
            count=cdp.MOST_LINES + 1,
        ),
        "debt_seen": Column("Debts auctioned when it last acted on them", "coins", state=True),
        "bids_seen": Column("What they had brought", "coins", state=True),
        "due": Column("When what is decided takes effect", "block", state=True, count=VOTES),
        "rests": Column("Until when it decides nothing", "block", state=True, count=VOTES),
        "steps": Column("Times that it has acted", "times", state=True, count=VOTES),
    }  # fmt: skip
    targets: ClassVar[type[Targets]] = DebtPositions
    decide = staticmethod(decide)

    @classmethod
    def places(cls, scenario: Scenario, settings: AgentSettings) -> list[int]:
        """The protocol."""
        return [list(scenario.protocols).index(settings.targets.protocol)]
