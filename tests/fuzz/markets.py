"""Random markets under attack: what holds in every block, whoever calls whatever.

    python -m tests.fuzz.markets --seconds 3600 --seed 1 --workers 2
    python -m tests.fuzz.markets --seed 1 --case 17

The books balance; what exists comes from somewhere; what pools owe is there; nobody loses
who does nothing.

Why the last is true, and where. In a *fair* market outside prices move by sales alone, and
come back; loans are at prices that nobody moves; pools start at the outside prices, there is
no interest, and nothing moves by itself. At the start the outside prices are thus the tangent
of every pool's curve, so a pool's reserves, valued at them, are the least that any point of
the curve is worth: trades can only raise what a share stands for, as can fees. A bonding
curve's shares are valued at the reserve per share, which can only rise above that of the
holders who never sell. Deposits earn what flash loans pay, and no loan can become worth more
than what secures it. So the wealth of each account that calls nothing (outside holders, venue,
treasuries, producer), at the venue's first prices, never falls below that of the start. All
tokens but the burnt gas belong to somebody, so this also bounds what all attackers together
can gain: nothing. One attacker may gain what another loses, and no more.

What would be a gain by right is left out of fair markets: interest, arbitrage against a
price that moved, whales that sell, funds that pay, prices that agents can move and loans
at those prices. Those are drawn in all other markets, where only the books are audited.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import numpy as np

from protocols.handles import ConcentratedPool
from sim import Market
from sim.codes import Kind, Reason
from sim.venue import PERMANENT, TRANSIENT
from tests.fuzz import runner
from tests.fuzz.generator import Draft, scenario
from tests.fuzz.puppets import Puppet, Rogue
from tests.fuzz.runner import Outcome

TRANSACTIONS = 500
"""That compiled attackers send in a market, about."""
PIECE = 8
"""Blocks that a market without Python in it makes between two looks."""
ROUNDING = 1e-9
"""Of the wealth of all who might have lost or gained it."""


def _made(protocol: Any) -> list[str]:
    """Tokens of the venue that a protocol mints and burns."""
    fields = (*protocol.owes, *(f for f in protocol.tokens if f == "governance"))
    return [token for f in fields if (token := getattr(protocol.settings, f, None)) is not None]


class Watch:
    """Looks at a market between blocks."""

    def __init__(self, market: Market, fair: bool) -> None:
        """Note what there is now."""
        self.market = market
        self.fair = fair
        ledger = market.ledger
        self.base = [market.numeraire, *market.venue.names]
        made = {name for p in market.declared for name in _made(p)}  # their own audits count these
        self.base = [token for token in self.base if token not in made]
        self.supply = {token: ledger.supply(token) for token in self.base}
        self.bystanders = list(market.special_accounts)
        self.wealth = {name: market.wealth(name) for name in self.bystanders}
        self.whole = sum(ledger.supply(t) * market.venue.price(t) for t in self.base)

    def look(self) -> list[str]:
        """What must not be."""
        found = self._from_nothing() + self._uncovered()
        if self.fair:
            found += self._robbed()
        for agent in self.market.agents:
            if isinstance(agent, Puppet) and agent.wrong:
                found += agent.wrong
                agent.wrong = []
        return found

    def _from_nothing(self) -> list[str]:
        """Base tokens come from shocks alone, and go as gas alone."""
        market, found = self.market, []
        moved = {
            p.token(field) for p in market.declared for field in (*p.owes, *p.outside)
            if getattr(p.settings, field) is not None
        }  # fmt: skip
        for token, first in self.supply.items():
            if token in moved:
                continue
            brought = sum(
                shock.amount / shock.blocks
                for _, shock in market.shocks.struck
                if getattr(shock, "amount", None) and getattr(shock, "token", "") == token
            )
            due, now = first + brought, market.ledger.supply(token)
            burns = market.setup.block.fee_market != "off" and token == market.setup.block.gas_token
            if not now <= due * (1.0 + ROUNDING):
                found.append(f"{token} came from nothing: {due!r} is due, {now!r} is there")
            if not burns and not now >= due * (1.0 - ROUNDING):
                found.append(f"{token} went to nothing: {due!r} is due, {now!r} is there")
        return found

    def _uncovered(self) -> list[str]:
        """Positions of concentrated liquidity are no tokens: what they claim has to be there."""
        found, books = [], self.market.ledger.books
        for pool in self.market.pools.values():
            if not isinstance(pool, ConcentratedPool):
                continue
            claims = pool.positions()
            # A price is kept to its last digit, of which much liquidity in a narrow range
            # makes so many tokens; each swap may leave as much.
            last = (1.0 / claims["lower"] ** 0.5, claims["upper"] ** 0.5)
            for token, root in zip(pool.tokens, last, strict=True):
                column = self.market.ledger.token(token)
                there, claimed = pool.reserves[token], float(claims[token].sum())
                most = max(float(books.most[column]), there, 1.0)
                grains = 1e-13 * float((claims["liquidity"] * root).sum())
                if not claimed <= there + ROUNDING * most + grains:
                    found.append(f"{pool.name} owes {claimed!r} {token} and holds {there!r}")
        return found

    def _robbed(self) -> list[str]:
        """Who calls nothing and has less, at the first prices: sales may have moved today's."""
        found = []
        storage, slots = self.market.ledger.books.storage, self.market.world.assets["slot"]
        moved = [(slot + at, storage[slot + at]) for slot in slots for at in (PERMANENT, TRANSIENT)]
        for slot, _ in moved:
            storage[slot] = 0.0
        wealth = {name: self.market.wealth(name) for name in self.wealth}
        for slot, impact in moved:
            storage[slot] = impact
        for name, before in self.wealth.items():
            now = wealth[name]
            if not now >= before - ROUNDING * self.whole:
                found.append(f"{name} lost {before - now:.6g} of {before:.6g} and did nothing")
        return found


def case(seed: int, number: int) -> Outcome:
    """Draw a market, attack it, and tell what happened."""
    rng = random.Random(f"{seed}:{number}")
    fair = rng.random() < 0.4
    draft = Draft(rng, fair)
    content = draft.content
    compiled, plain = rng.choice(((True, False), (True, False), (True, True), (False, True)))
    wallet = {token: 10.0 ** rng.uniform(3, 7) / draft.prices[token] for token in draft.base}
    wallet[content["block"]["gas_token"]] += 1e5
    # Some markets meet nonsense often, some seldom, so that deeper calls get through.
    hostile, bids, places = (rng.choice((0.0, 0.02, 0.2)) for _ in range(3))
    if compiled:
        count = rng.randint(1, 3)
        content["agents"]["attackers"] = {
            "kind": "tests.fuzz.puppets:Attacker", "count": count, "wallet": wallet,
            "intents": min(TRANSACTIONS / content["blocks"] / count + 1.0, 200.0),
            "hostile": hostile, "bids": bids, "nowhere": places,
        }  # fmt: skip
        if content["block"]["ordering"] == "builder":
            bundlers = {"kind": "tests.fuzz.puppets:Bundler"}
            content["agents"]["bundlers"] = content["agents"]["attackers"] | bundlers
    outcome = Outcome(Counter(markets=1))
    market, refused = scenario(content, lambda setup: Market(setup, rng=number))
    outcome.counts["refused"] += refused > 0
    if market is None:
        return outcome
    try:
        if plain:
            _send_in(market, rng, f"{seed}:{number}", wallet, fair, (hostile, bids, places))
        _run(market, fair, outcome, number)
    except Exception:
        outcome.findings.append((number, runner.raised()))
    finally:
        _count(market, outcome)
        market.close()
    return outcome


def _send_in(
    market: Market, rng: random.Random, name: str, wallet: dict[str, float], fair: bool,
    chances: tuple[float, float, float],
) -> None:  # fmt: skip
    """Let puppets join, and sometimes protocols that are up to anything."""
    if not fair and rng.random() < 0.4:
        for n in range(rng.randint(1, 2)):
            market.add_protocol(Rogue(f"rogue{n}", f"{name}:{n}", chances[0]))
    puppets = [Puppet(market, wallet, f"{name}:{n}", *chances) for n in range(rng.randint(1, 3))]
    for puppet in puppets:
        puppet.others = puppets


def _run(market: Market, fair: bool, outcome: Outcome, number: int) -> None:
    watch = Watch(market, fair)
    outcome.counts["fair markets"] += fair
    piece = 1 if market._plain or market.custom else PIECE
    while market.block < market.setup.blocks:
        market.run(min(piece, market.setup.blocks - market.block))
        found = watch.look()
        if found:
            outcome.findings += [(number, f"block {market.block}: {text}") for text in found]
            return
    # What people ask of a market answers too, whatever became of it.
    base = [t for t, issuer in market.ledger.issuers.items() if not issuer]
    held = market.ledger.balances.sum(axis=0)
    owned = sum(held[market.ledger.token(t)] * market.price(t) for t in base)
    for by in ("group", "account"):
        market.exposure(by=by)
        sheets = market.balance_sheets(by)
        gap = abs(sheets["equity"].sum() - owned) / max(sheets["assets"].sum(), 1.0)
        if gap > 1e-9:  # of all assets, since equities are differences of them
            outcome.findings.append((number, f"equities are {gap:.1e} off the base tokens"))
    outcome.counts["receipts"] += len(market.receipts())


def _count(market: Market, outcome: Outcome) -> None:
    """Count what happened, so that a fuzz that has gone blunt shows."""
    outcome.counts["blocks"] += market.block
    tally = market.world.tally.sum(axis=0)
    outcome.counts["transactions"] += int(tally.sum())
    for reason in Reason:
        outcome.counts[f"reason {reason.name}"] += int(tally[reason])
    records = market.receipt_book.records()
    done = np.bincount(np.maximum(records["kind"][records["status"] == 0], 0), minlength=len(Kind))
    for kind in Kind:
        outcome.counts[f"done {kind.name}"] += int(done[kind])
    own = {name: p.kind.rpartition(":")[2] for name, p in market.setup.protocols.items()}
    told = market.receipts()
    told = told[(told["status"] == "done") & told["protocol"].isin(list(own))]
    calls = told.groupby(["protocol", "kind"], observed=True).size()
    for (name, call), times in calls.items():
        outcome.counts[f"call {own[name]}.{call}"] += int(times)
    for pool in market.setup.pools.values():
        outcome.counts[f"pool {pool.kind}"] += 1
    for protocol in market.setup.protocols.values():
        outcome.counts[f"protocol {protocol.kind.rpartition(':')[2]}"] += 1
    for group in market.setup.agents.values():
        outcome.counts[f"agents {group.kind.rpartition(':')[2]}"] += 1
    for _, shock in market.shocks.struck:
        outcome.counts[f"shock {shock.kind}"] += 1
    for agent in market.agents:
        if isinstance(agent, Puppet):
            outcome.counts["calls"] += agent.made
            outcome.counts["refusals"] += agent.refused


if __name__ == "__main__":
    sys.exit(runner.main("tests.fuzz.markets:case", __doc__ or ""))
