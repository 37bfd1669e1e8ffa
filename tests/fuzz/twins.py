"""Random pairs of markets that differ in something that nobody meets.

    python -m tests.fuzz.twins --seconds 600 --seed 1 --workers 2
    python -m tests.fuzz.twins --seed 1 --case 17

One of the two has a thing more, at a random place among its like: an asset that nobody
holds, a pool in which nobody trades, an oracle that nobody reads. All else that the two
say of themselves must be the same, to the bit: every measure, receipt and balance that
both have. What counts the thing by its meaning (the value of *all* pools, say) is left
out, and said below of which thing.
"""

from __future__ import annotations

import copy
import fnmatch
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from protocols.insurance_settings import InsuranceSettings
from sim import Market, Scenario, registry
from sim.errors import ScenarioError
from tests.fuzz import runner
from tests.fuzz.generator import NUMERAIRE, Draft, has_what_it_needs, kinds_of_agents, scenario
from tests.fuzz.runner import Outcome

ISLES = ("isle", "reef")
"""Assets that nobody in the rest of the market holds."""
POOL, GROUP = "lagoon", "islanders"


@dataclass
class Addition:
    """What one of the twins has more.

    Attributes:
        content: The scenario with it; the other's is without.
        told: What was added.
        ignored: Measures that count it by their meaning, as patterns.
        group: Group of agents whose receipts the other twin cannot have.
    """

    content: dict[str, Any]
    told: str
    ignored: list[str] = field(default_factory=list)
    group: str = ""
    way: str = ""  # its name among the ways to add something


class Pair:
    """A base market, and ways to add what nobody meets."""

    def __init__(self, rng: random.Random) -> None:
        """Draw the base: it opens, and knows nothing of what may be added."""
        self.rng = rng
        self.draft = Draft(rng)
        self.base = self.draft.content
        self.base["agents"]["crowd"] = {  # so that there is something to be disturbed
            "kind": "noise_trader", "count": 6, "pools": list(self.base["pools"]), "rate": 0.3,
            "wallet": {t: 1e5 / self.draft.prices[t] + 10.0 for t in self.draft.base},
        }  # fmt: skip
        self.base["measures"].pop("receipts", None)
        # Capital without limit is as much as all pools and lending markets hold: whoever has it
        # meets each of them.
        self.base["switches"].pop("capital_is_finite", None)
        market, _ = scenario(self.base, lambda setup: Market(setup, rng=1))
        if market is not None:
            market.close()

    def insert(self, table: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
        """A table with one thing more at a random place."""
        items = list(table.items())
        items.insert(self.rng.randint(0, len(items)), (name, value))
        return dict(items)

    def add(self, to: dict[str, Any], part: str, name: str, value: Any) -> dict[str, Any]:
        """A scenario with one thing more in one of its tables."""
        return to | {part: self.insert(to.get(part, {}), name, value)}

    def asset(self, to: dict[str, Any], name: str) -> dict[str, Any]:
        """A scenario with an asset more, of which there is none."""
        drawn = Draft(random.Random(self.rng.random())).content["venue"]["assets"]
        about = self.rng.choice(list(drawn.values())) | {"inventory": 0.0}
        venue = to["venue"]
        return to | {"venue": venue | {"assets": self.insert(venue["assets"], name, about)}}

    def isles(self) -> dict[str, Any]:
        """The base with two assets more."""
        return self.asset(self.asset(self.base, ISLES[0]), ISLES[1])

    def pool(self, to: dict[str, Any]) -> dict[str, Any]:
        """A scenario with a pool more, of any kind, of the two assets."""
        for _ in range(50):
            draft = Draft(random.Random(self.rng.random()))
            for pool in draft.content["pools"].values():
                if len(pool["tokens"]) == 2 and pool["kind"] != "bonding_curve":
                    names = dict(zip(pool["tokens"], ISLES, strict=True))
                    for key in ("reserves", "rates", "weights", "target_weights"):
                        if pool.get(key):
                            pool[key] = {names[t]: v for t, v in pool[key].items()}
                    pool = pool | {"tokens": list(ISLES), "protocol_fee": 0.0}
                    return self.add(to, "pools", POOL, pool)
        return to

    # What is added: each returns the twin without, and the one with

    def an_asset(self) -> tuple[dict[str, Any], Addition]:
        return self.base, Addition(self.asset(self.base, ISLES[0]), "an asset that nobody holds")

    def an_oracle(self) -> tuple[dict[str, Any], Addition]:
        oracle = self.draft._oracle(self.rng.choice(self.draft.base))
        content = self.add(self.base, "oracles", "unread", oracle)
        return self.base, Addition(content, f"an oracle ({oracle['source']}) that nobody reads")

    def a_pool(self) -> tuple[dict[str, Any], Addition]:
        without = self.isles()
        content = self.pool(without)
        told = f"a pool ({content['pools'][POOL]['kind']}) in which nobody trades"
        return without, Addition(content, told, ["pools.*", "*.holders"])

    def a_lending_market(self) -> tuple[dict[str, Any], Addition]:
        self.draft._lending("unused")
        bank = self.draft.content["lending"].pop("unused", None)
        if bank is None:
            raise ScenarioError([("lending", "nothing here has a price; draw again")])
        content = self.add(self.base, "lending", "unused", bank)
        told = f"a lending market of {', '.join(bank['reserves'])} that nobody uses"
        return self.base, Addition(content, told, ["*.holders"])

    def an_insurance(self) -> tuple[dict[str, Any], Addition]:
        without = self.pool(self.isles())
        fund = self.draft.schema.model(
            InsuranceSettings, covers=[POOL], token=self.rng.choice([NUMERAIRE, *ISLES])
        )
        content = self.add(without, "insurance", "mutual", fund)
        ignored = ["*.holders", f"pool.{POOL}.*", "pools.*"]  # it may pay into that pool
        return without, Addition(content, "a fund that covers an untouched pool", ignored)

    def a_group_that_rests(self) -> tuple[dict[str, Any], Addition]:
        group = {"kind": "tests.fuzz.puppets:Idler", "count": self.rng.randint(1, 300)}
        owed = {  # coins that a protocol would have to back
            table.get(field)
            for table in self.draft.content["protocols"].values()
            for field in registry.protocol(table["kind"]).owes
        }
        there = [token for token in self.draft.base if token not in owed]
        group["wallet"] = {token: self.rng.uniform(0, 1e3) for token in there}
        content = self.add(self.base, "agents", GROUP, group)
        return self.base, Addition(content, f"{group['count']} agents who never act")

    def a_group_that_is_stopped(self) -> tuple[dict[str, Any], Addition]:
        """Of a kind that begins with a wallet alone, stopped before it acts."""
        alone = [k for k in kinds_of_agents() if registry.behaviour(k).needs_wallet]
        # What a market maker shows at the start holds in the first block.
        kinds = [k for k in alone if not registry.behaviour(k).makes_markets]
        for _ in range(20):
            kind = self.rng.choice(kinds)
            group = self.draft._group_of(kind)
            if has_what_it_needs(group):
                break
        content = self.add(self.base, "agents", GROUP, group)
        stop = {"kind": "agents_stop", "agents": GROUP, "block": 1, "blocks": 10_000}
        shocks = list(self.base["shocks"])
        shocks.insert(self.rng.randint(0, len(shocks)), stop)
        return self.base, Addition(content | {"shocks": shocks}, f"stopped agents ({kind})")

    def a_group_on_an_island(self) -> tuple[dict[str, Any], Addition]:
        """Traders in a pool of assets that nobody else has, where nobody pays for gas."""
        base = self.base | {"block": self.base["block"] | {"fee_market": "off"}}
        without = self.pool(self.asset(self.asset(base, ISLES[0]), ISLES[1]))
        group = {
            "kind": "noise_trader", "count": self.rng.randint(1, 8), "pools": [POOL], "rate": 0.5,
            "wallet": {ISLES[0]: 1e5, ISLES[1]: 1e5}, "size": 10.0 ** self.rng.uniform(0, 4),
        }  # fmt: skip
        content = self.add(without, "agents", GROUP, group)
        ignored = ["pools.*", f"pool.{POOL}.*", "*.holders", "transactions.*", "gas.waiting"]
        return without, Addition(content, "traders on an island", ignored, GROUP)

    def a_shock(self) -> tuple[dict[str, Any], Addition]:
        """To an asset that nobody holds."""
        without = self.isles()
        block = self.rng.randint(1, self.base["blocks"])
        shock: dict[str, Any] = {"kind": "price_jump", "size": self.rng.uniform(-0.9, 1.0)}
        if self.rng.random() < 0.5:
            shock = {"kind": "depth_loss", "share": self.rng.random(), "blocks": 5}
        shock |= {"asset": ISLES[0], "block": block}
        shocks = list(self.base["shocks"])
        shocks.insert(self.rng.randint(0, len(shocks)), shock)
        content = without | {"shocks": shocks}
        told = f"a {shock['kind']} of an asset that nobody holds"
        return without, Addition(content, told, [f"venue.{ISLES[0]}.*"])

    def some(self) -> tuple[dict[str, Any], Addition]:
        """One of them."""
        way = self.rng.choice([name for name in vars(Pair) if name.startswith(("a_", "an_"))])
        without, addition = getattr(self, way)()
        addition.way = way.replace("_", " ")
        return without, addition


def case(seed: int, number: int) -> Outcome:
    """Draw a pair, run both, and tell what differs."""
    rng = random.Random(f"twins:{seed}:{number}")
    outcome = Outcome(Counter(markets=2, pairs=1))
    for _ in range(20):
        twins: list[Market] = []
        try:
            without, addition = Pair(rng).some()
            setups = [Scenario.from_dict(copy.deepcopy(c)) for c in (without, addition.content)]
            for setup in setups:
                twins.append(Market(setup, rng=number))
            break
        except ScenarioError:
            outcome.counts["refused"] += 1
            for market in twins:
                market.close()
    else:
        return outcome
    try:
        for market in twins:
            market.run()
            outcome.counts["blocks"] += market.block
            outcome.counts["transactions"] += int(market.world.tally.sum())
        outcome.counts[f"with {addition.way}"] += 1
        found = differences(*twins, addition)
        if found:
            text = "; ".join(found[:6]) + (f"; {len(found)} in all" if len(found) > 6 else "")
            outcome.findings.append((number, f"{addition.told}: {text}"))
    finally:
        for market in twins:
            market.close()
    return outcome


def differences(without: Market, twin: Market, addition: Addition) -> list[str]:
    """Outputs of the two that are not the same to the bit: which, and where first."""
    found = []
    one, two = (m.datacollector.get_model_vars_dataframe() for m in (without, twin))
    for name in [c for c in one if c in two]:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in addition.ignored):
            continue
        a, b = one[name].to_numpy(float), two[name].to_numpy(float)
        unlike = np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))
        if unlike.size:
            n = int(unlike[0])
            found.append(f"{name} in row {n}: {float(a[n])!r} != {float(b[n])!r}")
    found += _receipts(without, twin, addition.group)
    for account in [a for a in without.ledger.accounts if a in twin.ledger._account]:
        if any(fnmatch.fnmatchcase(f"balance.{account}", p) for p in addition.ignored):
            continue
        for token in [t for t in without.ledger.tokens if t in twin.ledger._token]:
            x, y = without.ledger.balance(account, token), twin.ledger.balance(account, token)
            if account == POOL or x == y or (math.isnan(x) and math.isnan(y)):
                continue
            found.append(f"{account} has {x!r} != {y!r} {token}")
    return found


def _receipts(without: Market, twin: Market, group: str) -> list[str]:
    """What the receipts differ in; the running number of a transaction may, also of one carried."""
    one, two = (m.receipts().drop(columns="transaction") for m in (without, twin))
    for frame in (one, two):
        frame.loc[frame["kind"] == "carry", "amount_in"] = 0.0
    if group:
        two = two[two["cohort"] != group].reset_index(drop=True)
    if len(one) != len(two):
        return [f"receipts: {len(one)} != {len(two)}"]
    found = []
    for name in one:
        a, b = one[name].astype(object), two[name].astype(object)
        unlike = np.flatnonzero(~((a == b) | (pd.isna(a) & pd.isna(b))).to_numpy())
        if unlike.size:
            n = int(unlike[0])
            found.append(f"receipt {n}, {name}: {a[n]!r} != {b[n]!r}")
    return found


if __name__ == "__main__":
    sys.exit(runner.main("tests.fuzz.twins:case", __doc__ or ""))
