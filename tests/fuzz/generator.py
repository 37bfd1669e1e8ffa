"""Random scenarios: every kind of pool, agent, oracle, switch, shock and order there is.

Kinds and numbers come from the scenario's own schemas and from the registry of agents;
what is written here is how the parts of one market refer to each other. What the
scenario's own check refuses is taken out of the draft, and the rest is tried again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from protocols.insurance_settings import InsuranceSettings
from protocols.loan_settings import LendingSettings, ReserveSettings
from protocols.oracle_settings import OracleSettings
from sim import Scenario, registry
from sim.distribution import Distribution
from sim.errors import ScenarioError
from sim.fields import Names, names_of
from sim.scenario import (
    SHOCKS_BY_KIND,
    AssetSettings,
    BlockSettings,
    MeasureSettings,
    Switches,
    VenueSettings,
)
from tests.fuzz.schema import MISSING, Schema, bound, kinds_of

NUMERAIRE = "usd"
ASSETS = ("eth", "btc", "dai")
MANY = ("weighted", "stableswap")
"""Kinds of pool that may hold more than two tokens."""
PRICED = ("constant_product", *MANY)
"""Kinds of pool whose share has a fair price."""
_HELD_BACK = ("hop", "most_move", "most_price")
"""Fields of oracles that publish less than they see."""
ORDERS = get_args(BlockSettings.model_fields["ordering"].annotation)
OURS = "agents."
"""Where the kinds of agents live that are the model's own."""


def kinds_of_agents() -> list[str]:
    """All kinds of agents that come with the package."""
    found = registry.behaviours()
    return sorted(kind for kind, b in found.items() if b.__module__.startswith(OURS))


TILL = "tests.fuzz.puppets:Till"
"""A kind in plain Python, from a module."""
LOCKER = "tests.fuzz.puppets:Locker"
"""A compiled kind that owes what no token tells of."""


AUCTIONED = {"cdp"}
"""Kinds of protocol that sell what is somebody's to whoever bids most, however little."""


def kinds_of_protocols() -> list[str]:
    """All kinds that declare themselves and come with the package, and two of somebody's own."""
    return [*sorted(registry.protocols()), TILL, LOCKER]


POWER = "tests.fuzz.pools:PowerPool"
"""A kind of pool in a module, that says its price and swap alone."""


def kinds_of_pools() -> list[str]:
    """All kinds of pools that come with the package, and one of somebody's own."""
    return [*registry.pools(), POWER]


def has_what_it_needs(group: dict[str, Any]) -> bool:
    """Whether a group that was drawn has found in its market what its kind cannot do without."""
    behaviour: Any = registry.behaviour(group["kind"])
    fields = behaviour.targets.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    if group["kind"] == "depositor":
        return "custodian" in group or "savings" in group or {"lending", "debt"} <= set(group)
    return all(group.get(n) for n in [*needed, *(["wallet"] if behaviour.needs_wallet else [])])


class Draft:
    """A scenario that is being drawn.

    Attributes:
        content: As of a file.
        prices: Numeraire per unit, of every token that something is known of.
        supply: About how many shares of each pool holders will have.
    """

    def __init__(self, rng: random.Random, fair: bool = False) -> None:
        """Draw a market.

        Args:
            rng: Draws everything.
            fair: At prices that never move, in pools that start at them, without interest:
                where whoever only calls can gain nothing.
        """
        self.rng = rng
        self.fair = fair
        self.schema = Schema(rng, self.names)
        self.prices: dict[str, float] = {NUMERAIRE: 1.0}
        self.supply: dict[str, float] = {}
        self.content: dict[str, Any] = {
            "title": "drawn",
            "blocks": int(math.exp(rng.uniform(math.log(15), math.log(90)))),
            "audit": {"every": 1},
        }
        for part in ("pools", "oracles", "lending", "insurance", "protocols", "agents"):
            self.content[part] = {}
        self._venue()
        for n in range(rng.randint(1, 4)):
            self._pool(f"p{n}")
        self._oracles()
        for n in range(rng.choice((0, 1, 1, 2))):
            self._lending(f"bank{n}")
        for n in range(rng.choice((0, 0, 1, 2))):
            self._protocol(f"own{n}")
        self.content["block"] = self._block()
        if fair:
            return
        for n in range(rng.choice((0, 0, 1, 2))):
            fund = self.schema.model(InsuranceSettings)
            if fund.get("covers"):
                self.content["insurance"][f"fund{n}"] = fund
        for n in range(rng.randint(0, 5)):
            self._group(f"g{n}")
        if any(p["kind"] == "cover" for p in self.content["protocols"].values()):
            insured = self._group_of("insured_lender")  # there are few such markets
            if has_what_it_needs(insured):
                self.content["agents"]["insured"] = insured
        self.content["shocks"] = [self._shock() for _ in range(rng.choice((0, 0, 1, 2, 4, 6)))]
        if self.content["lending"] and rng.random() < 0.6:
            self.content["shocks"] += [self._fall() for _ in range(rng.randint(1, 3))]
        self.content["measures"] = self.schema.model(MeasureSettings)
        self.content["switches"] = {
            name: False for name in Switches.model_fields if rng.random() < 0.1
        }

    # What there is so far

    def names(self, field: str) -> list[str]:
        """Names that a text field, or the keys of a table, may have."""
        c = self.content
        pools, oracles, lending = list(c["pools"]), list(c["oracles"]), list(c["lending"])
        agents = list(c["agents"])
        base = self.base
        places = ["venue", *pools]
        known: dict[str, list[str]] = {
            "asset": base[1:], "token": base, "wallet": base, "gas_token": base,
            "numeraire": base[:1], "pool": pools, "pools": pools, "target": places,
            "route": places, "oracle": oracles, "quote": oracles, "lending": lending,
            "agents": agents, "covers": self.coverable, "reserves": base,
            "keep": ["*", "pool.*", "venue.*", "lending.*", "*.concentration", "wealth.*"],
            "correlation": [], "points": [], "symbol": [], "file": [], "columns": [], "title": [],
            "at": [], "gas_symbol": [], "rates": [], "weights": [], "target_weights": [],
        }  # fmt: skip
        if field.startswith("<"):  # what a field says that it names
            of, _, kinds = field.strip("<>").partition(":")
            if kinds:
                wanted = kinds.split(",")
                return [n for n, p in c["protocols"].items() if p["kind"] in wanted]
            sections = {"pools": pools, "oracles": oracles, "lending": lending}
            more = {"protocols": list(c["protocols"]), "issued": [*base, *self.issued]}
            return (sections | more | {"asset": base[1:], "place": places}).get(of, base)
        if field in known:
            return known[field]
        return [*base, *pools, *oracles, *lending, *agents]  # a field that is new here

    @property
    def issued(self) -> list[str]:
        """What pools, markets and protocols issue."""
        c = self.content
        found = [f"{pool}-share" for pool in c["pools"]]
        found += [
            f"{bank}-{t}" for bank, lender in c["lending"].items() for t in lender["reserves"]
        ]
        return found + [named.full for name in c["protocols"] for named in self._tokens_of(name)]

    def _tokens_of(self, protocol: str) -> list[Any]:
        """What a protocol issues; nothing where its settings are refused."""
        content = self.content["protocols"][protocol]
        cls = registry.protocol(content["kind"])
        own = {key: value for key, value in content.items() if key != "kind"}
        try:
            return list(cls.named_tokens(protocol, cls.Settings.model_validate(own)))
        except ValidationError:
            return []

    @property
    def coverable(self) -> list[str]:
        """What a fund may insure: shares that are alike, and deposits."""
        pools = [name for name, pool in self.content["pools"].items() if pool.get("kind") in PRICED]
        return pools + list(self.content["lending"])

    @property
    def base(self) -> list[str]:
        """The numeraire and the venue's assets."""
        return [NUMERAIRE, *self.content.get("venue", {}).get("assets", {})]

    # Its parts

    def _venue(self) -> None:
        rng = self.rng
        names = list(ASSETS[: rng.randint(1, len(ASSETS))])
        assets: dict[str, Any] = {}
        for name in names:
            asset = self.schema.model(AssetSettings)
            # Of what costs next to nothing there is so much that a loan that comes and goes
            # between two audits leaves more rounding than the rest of the ledger holds.
            asset["price"] = max(1e-4, min(asset["price"], 1e6))
            asset["inventory"] = rng.choice((0.0, 1e3, 1e6))
            if asset.get("process") == "replay":
                asset["process"] = "bridge"  # no price file here; both follow a path
            if asset.get("process") == "bridge":
                hours = sorted(rng.sample(range(50), rng.randint(2, 4)))
                asset["points"] = [[h / 100, asset["price"] * rng.uniform(0.3, 2)] for h in hours]
            if rng.random() < 0.15:  # some kinds of agents are nowhere else
                asset["process"] = "endogenous"
            if asset.get("process") == "endogenous" and not asset.get("depth", math.inf) < math.inf:
                asset["depth"] = 10.0 ** rng.uniform(3.0, 7.0)
            asset.pop("alpha", None)
            if asset.get("process") == "garch":
                asset["alpha"], asset["beta"] = 0.1, rng.uniform(0.0, 0.89)
            if self.fair:
                # What a sale moves for good can be sold into by who moved it.
                asset |= {"process": "constant", "permanent": 0.0}
                if rng.random() < 0.6:
                    asset["depth"] = math.inf
            assets[name] = asset
            self.prices[name] = asset["price"]
        venue = self.schema.model(VenueSettings, numeraire=NUMERAIRE, assets=assets)
        if len(names) > 1 and rng.random() < 0.5:
            venue["correlation"] = {f"{names[0]}:{names[1]}": rng.uniform(-0.9, 0.9)}
        venue["inventory"] = rng.choice((0.0, 1e6, 1e9))
        self.content["venue"] = venue

    def _pool(self, name: str) -> None:
        rng = self.rng
        kind = rng.choice(kinds_of_pools())
        there = self.base
        if not self.fair and rng.random() < 0.25:
            there = there + [f"{pool}-share" for pool in self.supply]
        size = rng.randint(2, min(4, len(there))) if kind in MANY else 2
        if kind == "bonding_curve":
            tokens = [f"{name}-share", rng.choice(self.base)]
        else:
            tokens = rng.sample(there, size)
        settings = registry.pool(kind).Settings
        pool = self.schema.model(settings, kind=kind, tokens=tokens, reserves={})
        pool["parameters"] = {
            parameter: rng.uniform(max(column.low, -1e3), min(column.high, 1e3))
            for parameter, column in registry.pool(kind).parameters.items()
        }
        worth = 10.0 ** rng.uniform(3.0, 8.0)
        own = f"{name}-share"
        inside = [token for token in tokens if token != own]
        weights = dict.fromkeys(inside, 1.0 / len(inside))
        if kind == "weighted" and rng.random() < 0.7:
            weights = {token: rng.uniform(0.05, 1.0) for token in inside}
            pool["weights"] = weights
        total = sum(weights.values())
        reserves = {}
        for token in inside:
            amount = worth * weights[token] / total / self.prices[token]
            if not self.fair and rng.random() < 0.5:
                amount *= rng.lognormvariate(0.0, 0.3)
            if token in self.supply.keys() - {own} or token.endswith("-share"):
                amount = min(amount, 0.2 * self.supply[token.removesuffix("-share")])
            reserves[token] = amount
        if kind == POWER and self.fair:  # its price is not the ratio of its reserves
            first, last = inside
            ratio = self.prices[first] / self.prices[last]
            power = 1.0 / (1.0 - pool["parameters"]["q"])
            reserves[last] = reserves[first] * ratio**power
        pool["reserves"] = reserves
        self._special(kind, pool, inside)
        if kind == "bonding_curve":
            pool["supply"] = worth / 10.0 ** rng.uniform(-2.0, 2.0)
            supply = pool["supply"]
        elif kind == "stableswap":
            supply = sum(reserves[t] * (pool.get("rates") or {}).get(t, 1.0) for t in inside)
        else:
            supply = math.exp(
                sum(weights[t] / total * math.log(max(reserves[t], 1e-300)) for t in inside)
            )
        if kind != "concentrated":
            self.supply[name] = supply
            self.prices[own] = worth / max(supply, 1e-300)
        self.content["pools"][name] = pool

    def _special(self, kind: str, pool: dict[str, Any], inside: list[str]) -> None:
        """What only some kinds have, so that it agrees with the rest of the pool."""
        rng = self.rng
        if kind == "stableswap" and (self.fair or rng.random() < 0.7):
            pool["rates"] = {token: self.prices[token] for token in inside}
        if kind == "concentrated":
            pool["positions"] = rng.choice((1, 8, 32))  # room costs time in every block
            pool["tick_spacing"] = rng.choice((1, 10, 60, 200))
            pool["price_span"] = rng.choice((1.5, 10.0, 100.0))
            ranges = []
            for _ in range(rng.randint(0, 3)):
                ends = sorted(rng.uniform(-1.0, 1.0) for _ in range(2))
                low, high = (pool["price_span"] ** (0.999 * end) for end in ends)
                ranges.append({"lower": low, "upper": high, "share": rng.uniform(0.1, 3.0)})
            pool["ranges"] = ranges
        if pool.get("volatility_fee") or pool.get("imbalance_fee"):
            pool["highest_fee"] = max(pool.get("highest_fee", 0.05), pool.get("fee", 0.003))
        breaker = pool.get("breaker")
        if breaker is not None and not any(
            breaker.get(k) for k in ("move", "imbalance", "outflow")
        ):
            breaker["move"] = 0.1
        moves = {"target_weights", "target_amplification", "weight_rule"}
        for field in (*moves, "moves_from", "moves_until"):
            pool.pop(field, None)
        if self.fair:  # what moves by itself sells by itself
            return
        if kind == "weighted" and rng.random() < 0.3:
            pool["target_weights"] = {token: rng.uniform(0.05, 1.0) for token in inside}
        elif kind == "weighted" and rng.random() < 0.3:
            pool["weight_rule"] = {"strength": rng.uniform(-2.0, 2.0), "lowest": 0.05}
        elif kind == "stableswap" and rng.random() < 0.3:
            pool["target_amplification"] = 10.0 ** rng.uniform(0.0, 3.7)
        if pool.keys() & {"target_weights", "target_amplification"}:
            pool["moves_from"] = rng.randint(0, 20)
            pool["moves_until"] = pool["moves_from"] + rng.randint(1, 50)

    def _protocol(self, name: str) -> None:
        """One that declares itself, of any kind there is."""
        kinds = kinds_of_protocols()
        if self.fair:  # what goes for nothing in an auction is lost by those who did nothing
            kinds = [kind for kind in kinds if kind not in AUCTIONED]
        kind = self.rng.choice(kinds)
        cls = registry.protocol(kind)
        tokens = {
            key: self.rng.choice(self.base)
            for key in cls.tokens
            if not names_of(cls.Settings.model_fields[key])
        }
        priced = {  # an oracle beside a token is of that token: each has one called like it
            key: next(iter(tokens.values()))
            for key, field in cls.Settings.model_fields.items()
            if names_of(field) == "oracles" and tokens
        }
        for _ in range(20):  # until it says of itself that it makes sense
            if kind == "peg_module":
                tokens = dict(zip(("coin", "asset"), self.rng.sample(self.base, 2), strict=True))
            drawn = self.schema.model(cls.Settings, **tokens, **priced)
            self.content["protocols"][name] = {"kind": kind, **drawn}
            told = self._told_of(cls, name, drawn)
            if not told:
                break
            # An oracle of another token is wanted: of one that it issues itself, perhaps.
            for key in sorted(told & priced.keys()):
                priced[key] = self._own_oracle(name)
        else:
            del self.content["protocols"][name]
            return
        for coin in [named.full for named in self._tokens_of(name) if named.token.held]:
            self.prices[coin] = 1.0
            # It trades somewhere; where it does, whoever moves its price moves others' wealth.
            if not self.fair and self.rng.random() < 0.7:
                other = self.rng.choice(self.base)
                worth = 10.0 ** self.rng.uniform(2.0, 7.0)
                self.content["pools"][f"{name}-{other}"] = {
                    "kind": "constant_product", "tokens": [coin, other], "fee": 0.003,
                    "reserves": {coin: worth, other: worth / self.prices[other]},
                }  # fmt: skip

    def _own_oracle(self, name: str) -> str:
        """An oracle, called like it, of some token that a protocol issues and wallets hold."""
        coins = sorted(named.full for named in self._tokens_of(name) if named.token.held)
        token = self.rng.choice(coins or self.base)
        if token not in self.content["oracles"]:
            price = 1.0 if self.fair else self.rng.lognormvariate(0.0, 0.5)
            self.content["oracles"][token] = {"token": token, "source": "fixed", "price": price}
        return token

    def _told_of(self, cls: Any, name: str, drawn: dict[str, Any]) -> set[str]:
        """Fields of a protocol that could not stand in what is drawn so far; none: it could."""
        c = self.content
        try:
            settings = cls.Settings.model_validate(drawn)
        except ValidationError as error:
            return {str(problem["loc"][0]) if problem["loc"] else "" for problem in error.errors()}
        many = {table for table, e in cls.each.items() if len(getattr(settings, table)) > e.most}
        if many:
            return many
        parts = {
            "lending": {n: SimpleNamespace(**bank) for n, bank in c["lending"].items()},
            "pools": {n: SimpleNamespace(**pool) for n, pool in c["pools"].items()},
            "oracles": {n: SimpleNamespace(**oracle) for n, oracle in c["oracles"].items()},
            "protocols": {}, "insurance": {}, "agents": {},
            "venue": SimpleNamespace(numeraire=NUMERAIRE, assets=c["venue"]["assets"]),
        }  # fmt: skip
        problems = getattr(settings, "problems", None)
        try:
            return {at for at, _ in problems(SimpleNamespace(**parts), name)} if problems else set()
        except (AttributeError, KeyError, ScenarioError):  # it asks for what is not drawn yet
            return set()

    def _oracles(self) -> None:
        """One for each base token, called like it; some of shares; some that nobody asked for."""
        rng, oracles = self.rng, self.content["oracles"]
        for token in self.base:
            oracles[token] = self._oracle(token)
        for name, pool in self.content["pools"].items():
            if pool["kind"] in PRICED and rng.random() < 0.5:
                share = f"{name}-share"
                oracles[share] = {"token": share, "source": "share", "pool": name}
        for n in range(rng.choice((0, 0, 1, 2))):
            oracles[f"o{n}"] = self._oracle(rng.choice(self.base))

    def _oracle(self, token: str) -> dict[str, Any]:
        rng = self.rng
        price = self.prices[token]
        reads = [n for n, p in self.content["pools"].items() if token in p["tokens"]]
        if self.fair:  # loans at a price that attackers move are theirs by right
            deep = all(a.get("depth") == math.inf for a in self.content["venue"]["assets"].values())
            source = rng.choice(("venue", "fixed")) if deep else "fixed"
        elif not reads or rng.random() < 0.4:
            source = rng.choice(("venue", "fixed"))
        else:
            source = rng.choice(("pool_spot", "pool_twap"))
        off = 1.0 if self.fair else rng.choice((1.0, 1.0, rng.lognormvariate(0.0, 0.1)))
        oracle = self.schema.model(
            OracleSettings, token=token, source=source, quote=MISSING, price=MISSING, pool=MISSING,
            live=MISSING, most_growth=MISSING,
        )  # fmt: skip
        if oracle.get("most_move"):  # which is of a hop
            oracle["hop"] = rng.randint(1, 100)
        if "most_price" in oracle:
            oracle["most_price"] = price * rng.lognormvariate(0.05, 0.1)
        if self.fair:  # what lags is another price
            oracle = {k: v for k, v in oracle.items() if k not in _HELD_BACK}
        if source == "fixed":
            oracle["price"] = price * off
        if source.startswith("pool"):
            oracle["pool"] = rng.choice(reads)
            inside = self.content["pools"][oracle["pool"]]["tokens"]
            # Of those before it alone: none may quote each other in a circle.
            others = [t for t in inside if t != token and t in self.content["oracles"]]
            if not others:
                return oracle | {"source": "venue"}
            if NUMERAIRE not in inside or token == NUMERAIRE or rng.random() < 0.2:
                oracle["quote"] = rng.choice(others)
            if source == "pool_spot" and rng.random() < 0.4:
                late = ("lag", "deviation", *_HELD_BACK)
                oracle = {k: v for k, v in oracle.items() if k not in late}
                oracle["live"] = True
        return oracle

    def _lending(self, name: str) -> None:
        rng = self.rng
        priced = [o["token"] for key, o in self.content["oracles"].items() if key == o["token"]]
        if not priced:
            return
        tokens = rng.sample(priced, rng.randint(1, len(priced)))
        reserves = {}
        for token in tokens:
            reserve = self.schema.model(ReserveSettings, oracle=MISSING, utilisation=MISSING)
            # Most banks are sound: this much may be borrowed, and this much is there.
            reserve["ltv"] = rng.choice((0.0, rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.8), 1.0))
            reserve["threshold"] = max(min(reserve["ltv"] + rng.uniform(0.0, 0.1), 1.0), 0.0)
            for rate in ("base_rate", "slope1", "slope2"):  # blocks may last a week
                if rate in reserve:
                    reserve[rate] = min(reserve[rate], 100.0)
            reserve.pop("cash", None)
            if token in self.base:
                reserve["cash"] = rng.choice((0.0, 10.0 ** rng.uniform(3, 7) / self.prices[token]))
            if not self.fair and token in self.base and rng.random() < 0.2:
                reserve["utilisation"] = rng.uniform(0.05, 1.0)
                del reserve["cash"]
            if "cash" in reserve:
                reserve["cash"] = min(reserve["cash"], reserve.get("supply_cap", math.inf))
            if self.fair:  # interest is a gain that nobody has to call for
                reserve |= {"base_rate": 0.0, "slope1": 0.0, "slope2": 0.0}
                reserve["bonus"] = rng.uniform(0.0, 0.1)
            reserves[token] = reserve
        settings = self.schema.model(LendingSettings, reserves=reserves, lltv=MISSING)
        for reserve in reserves.values():  # no ceiling without isolation, and not too low
            reserve.pop("debt_ceiling", None)
            reserve.pop("category", None)
            if reserve.get("isolated"):
                reserve["collateral"] = True
                reserve["debt_ceiling"] = 10.0 ** rng.uniform(2, 7)
            elif settings.get("categories") and rng.random() < 0.6:
                reserve["category"] = rng.choice(list(settings["categories"]))
            reserve["in_isolation"] = rng.random() < 0.7
        for terms in settings.get("categories", {}).values():
            terms["threshold"] = min(terms.get("ltv", 0.9) + 0.03, 1.0)
        if len(reserves) == 2 and rng.random() < 0.4:
            settings["lltv"] = rng.uniform(0.3, 0.95)
            for k, reserve in enumerate(reserves.values()):
                for name in ("ltv", "threshold", "bonus", "isolated", "debt_ceiling", "category"):
                    reserve.pop(name, None)
                reserve["collateral"], reserve["borrowable"] = k == 0, k == 1
        sold = {*self.base}  # and receipts of base tokens by the banks above
        for bank, lender in self.content["lending"].items():
            sold |= {f"{bank}-{token}" for token in lender["reserves"] if token in self.base}
        odd = any(
            token not in (sold if reserve.get("collateral", True) else reserves)
            or (token not in self.base and reserve.get("borrowable", True))
            for token, reserve in reserves.items()
        )
        # In a fair market who can move the price outside could have others sold out.
        if self.fair or (odd and rng.random() < 0.95):
            settings.pop("default", None)
        self.content["lending"][name] = settings
        for token in reserves:  # which a bank that is drawn later may take
            if not self.fair and rng.random() < 0.5:
                receipt = f"{name}-{token}"
                oracle: dict[str, Any] = {"token": receipt, "source": "receipt"}
                if rng.random() < 0.3:
                    oracle["most_growth"] = rng.uniform(0.0, 0.2)
                self.content["oracles"][receipt] = oracle
                self.prices[receipt] = self.prices[token]

    def _block(self) -> dict[str, Any]:
        rng = self.rng
        block = self.schema.model(BlockSettings, gas_token=rng.choice(self.base))
        block["ordering"] = rng.choice(ORDERS)
        block["fee_market"] = rng.choice(("off", "eip1559", "first_price"))
        if rng.random() < 0.7:
            block["gas_limit"] = 30e6
            block["outside"] = {"gas": rng.choice((0.0, 0.5, 1.5))}
        block.pop("gas_symbol", None)  # no price file here
        block.pop("gas_path", None)
        if rng.random() < 0.2 and block["fee_market"] != "off":
            hours = sorted(rng.sample(range(50), rng.randint(1, 4)))
            block["gas_path"] = [[h / 100, 10.0 ** rng.uniform(-1.0, 3.0)] for h in hours]
            block["outside"] = {"gas": rng.uniform(1.1, 5.0)}
        return block

    def _group(self, name: str) -> None:
        rng, c = self.rng, self.content
        for _ in range(8):  # kinds that want what this market lacks
            kind = rng.choice(kinds_of_agents())
            group = self._group_of(kind)
            if has_what_it_needs(group):
                c["agents"][name] = group
                return

    def _group_of(self, kind: str) -> dict[str, Any]:
        rng, c = self.rng, self.content
        behaviour: Any = registry.behaviour(kind)
        pools = [
            n
            for n, pool in c["pools"].items()
            if (not behaviour.pool_kinds or pool.get("kind") in behaviour.pool_kinds)
            and len(pool["tokens"]) <= behaviour.most_tokens
        ]
        group: dict[str, Any] = {"kind": kind, "count": rng.randint(1, 6), "wallet": {}}
        given: dict[str, Any] = {}
        given["pools"] = rng.sample(pools, rng.randint(1, min(3, len(pools)))) if pools else []
        given["lending"] = rng.choice(list(c["lending"]) or [MISSING])
        reserves = c["lending"].get(given["lending"], {}).get("reserves", {})
        two = [t for t in reserves if t in self.base]
        if given["pools"] and rng.random() < 0.8:
            inside = c["pools"][given["pools"][0]]["tokens"]
            two = [t for t in two if t in inside] or two
        rng.shuffle(two)
        given["collateral"] = two[0] if two else MISSING
        given["debt"] = two[-1] if two else MISSING
        self._several(behaviour.targets.model_fields, given)
        for token in self.base:
            if rng.random() < 0.8:
                group["wallet"][token] = 10.0 ** rng.uniform(1.0, 6.5) / self.prices[token]
        if rng.random() < 0.1:
            group["wallet"][self.rng.choice(self.base)] = self._distribution(0.0, math.inf, 100.0)
        there = [
            name
            for name, asset in c["venue"]["assets"].items()
            if asset.get("process", "gbm") == (behaviour.process or asset.get("process", "gbm"))
        ]
        some = rng.sample(there, rng.randint(min(1, len(there)), len(there)))
        given.setdefault("assets", {name: rng.uniform(0.1, 3.0) for name in some})
        fields = behaviour.targets.model_fields
        given["token"] = given["debt"]
        given["collaterals"] = [token for token in two if token != given["debt"]] or MISSING
        if "lending" in fields and get_origin(fields["lending"].annotation) is list:
            given["lending"] = self._lenders_of(given["debt"])
        known = {k: v for k, v in given.items() if k in fields}
        group |= self.schema.model(behaviour.targets, **known)
        if kind == "depositor":  # in one place
            homes = [key for key in ("custodian", "savings", "lending") if key in group]
            for key in homes[1:]:
                del group[key]
            if homes[:1] != ["lending"]:
                group.pop("debt", None)
        for column, about in behaviour.columns.items():
            if not about.state and about.default < math.inf and rng.random() < 0.35:
                group[column] = self._column(about)
        return group

    def _lenders_of(self, token: Any) -> Any:
        """Some of the lending markets that have a reserve of a token."""
        banks = [n for n, bank in self.content["lending"].items() if token in bank["reserves"]]
        return self.rng.sample(banks, self.rng.randint(1, len(banks))) if banks else MISSING

    def _several(self, fields: dict[str, Any], given: dict[str, Any]) -> None:
        """What a class that takes more than a bank and two tokens of it takes: banks, claims."""
        rng, lending = self.rng, self.content["lending"]
        if "collateral" in fields and Names("issued") in fields["collateral"].metadata:
            reserves = lending.get(given["lending"], {}).get("reserves", {})
            claims = [t for t in reserves if t not in self.base]
            if claims and given["debt"] is not MISSING and rng.random() < 0.5:
                given["collateral"] = rng.choice(claims)
        lists = "lending" in fields and any(
            get_origin(part) is Annotated and get_origin(get_args(part)[0]) is list
            for part in get_args(fields["lending"].annotation)
        )
        if "assets" in fields and get_origin(fields["assets"].annotation) is list:
            # Each asset with a bank that lends the debt against it.
            pairs = [
                (token, bank)
                for bank, lender in lending.items()
                if given["debt"] in lender["reserves"]
                for token in lender["reserves"]
                if token in self.base and token != given["debt"]
            ]
            if not lists or rng.random() < 0.5:
                pairs = [pair for pair in pairs if pair[1] == given["lending"]]
            rng.shuffle(pairs)
            most = bound(fields["assets"].metadata, "max_length", len(pairs))
            found = dict(pairs[: rng.randint(1, most)])
            given["assets"] = list(found)
            if {*found.values()} != {given["lending"]} or rng.random() < 0.3:
                given["lending"] = list(found.values())
        elif lists and lending and rng.random() < 0.5:
            given["lending"] = rng.sample(list(lending), rng.randint(1, len(lending)))

    def _column(self, about: Any) -> Any:
        """A number, or a distribution, within the range that makes sense."""
        rng = self.rng
        if rng.random() < 0.25:
            return self._distribution(about.low, about.high, about.default)
        if about.low >= 0.0 and about.high <= 1.0 and rng.random() < 0.6:
            return rng.uniform(about.low, about.high)
        value = about.default * 10.0 ** rng.uniform(-1.0, 1.0)
        ends = [end for end in (about.low, about.high) if math.isfinite(end)]
        if ends and rng.random() < 0.15:
            value = rng.choice(ends)
        return max(about.low, min(about.high, value))

    def _distribution(self, low: float, high: float, about: float) -> dict[str, Any]:
        """Any distribution, cut to a range."""
        kind = self.rng.choice(kinds_of(Distribution))
        drawn = self.schema.model(kind, at_least=MISSING, at_most=MISSING)
        drawn["distribution"] = kind.model_fields["distribution"].default
        if not isinstance(drawn["distribution"], str):
            (drawn["distribution"],) = kind.model_fields["distribution"].annotation.__args__
        if "sigma" in drawn:  # beyond these two, draws are infinite
            drawn["sigma"] = min(drawn["sigma"], 3.0)
        if "shape" in drawn:
            drawn["shape"] = max(drawn["shape"], 0.3)
        if "values" in drawn:
            drawn.pop("weights", None)
        if not {"low", "high"} <= drawn.keys():
            drawn = {k: v for k, v in drawn.items() if k not in ("low", "high")}
        ends = [end for end in ("low", "high") if end in drawn]
        for end, value in zip(ends, sorted(drawn[end] for end in ends), strict=True):
            drawn[end] = value
        top = max(abs(about), 1.0) * 100.0
        drawn["at_least"] = low if math.isfinite(low) else -top
        drawn["at_most"] = min(high, max(top, drawn["at_least"]))
        return drawn

    def _shock(self) -> dict[str, Any]:
        rng, c = self.rng, self.content
        shock: dict[str, Any] = {}
        for _ in range(8):  # kinds of shock that need what this market lacks
            kind = rng.choice(list(SHOCKS_BY_KIND.values()))
            shock = self.schema.model(kind, block=rng.randint(1, c["blocks"]), at=MISSING)
            wanted = [f for f, field in kind.model_fields.items() if field.is_required()]
            if kind is SHOCKS_BY_KIND["event"]:
                if "protocol" not in shock:
                    continue
                cls = registry.protocol(c["protocols"][shock["protocol"]]["kind"])
                if not cls.events:
                    continue
                shock["event"] = rng.choice([event.name for event in cls.events])
            if kind is SHOCKS_BY_KIND["news"]:
                hear = [
                    n
                    for n, g in c["agents"].items()
                    if getattr(registry.behaviour(g["kind"]), "hears", "")
                ]
                if not hear:
                    continue
                shock["agents"] = rng.choice(hear)
            if all(field in shock for field in wanted):
                break
        if rng.random() < 0.2:
            shock["at"] = rng.uniform(0.0, 0.2)
            del shock["block"]
        pool = c["pools"].get(shock.get("target"))
        if pool is not None:  # who sells in a pool sells what it holds
            sold = [token for token in pool["tokens"] if token in self.base]
            shock["token"] = rng.choice(sold or self.base)
        bank = c["lending"].get(shock.get("lending"))
        if bank is not None:
            base = [token for token in bank["reserves"] if token in self.base]
            shock["token"] = rng.choice(base or self.base)
        if "amount" in shock:
            worth = 10.0 ** rng.uniform(1.0, 7.0)
            shock["amount"] = worth / self.prices.get(shock.get("token", ""), 1.0)
        return shock

    def _fall(self) -> dict[str, Any]:
        """A price falls so far that loans go under water."""
        rng, c = self.rng, self.content
        return {
            "kind": "price_jump", "asset": rng.choice(self.base[1:]),
            "size": rng.uniform(-0.6, -0.05), "block": rng.randint(1, c["blocks"]),
        }  # fmt: skip


def scenario(
    draft: dict[str, Any], opens: Callable[[Scenario], Any] | None = None
) -> tuple[Any, int]:
    """Make a scenario (or what `opens` makes of one), without the parts that are refused.

    Args:
        draft: Content of a file; parts are taken out of it.
        opens: Opens a market; it may refuse too, with a `ScenarioError`.

    Returns:
        What was made, and how many refusals there were before. None if nothing was left.
    """
    for refused in range(12):
        try:
            made = Scenario.from_dict(draft)
            return (opens(made) if opens else made), refused
        except ScenarioError as error:
            for field, _ in error.problems:
                _take_out(draft, field.split("."))
    return None, 12


def _take_out(draft: dict[str, Any], path: list[str]) -> None:
    """Take out a field that was refused; where it is not there, the thing that it is of."""
    table: Any = draft
    tables = []
    for key in path:
        tables.append(table)
        try:
            table = table[int(key)] if isinstance(table, list) else table[key]
        except (KeyError, IndexError, ValueError, TypeError):
            table = None
    required = {"kind", "tokens", "reserves", "count", "token", "price"}
    depth = len(path) if table is not None and path[-1] not in required else 2
    depth = min(depth, 2) if path[0] in ("agents", "shocks", "oracles") else depth
    if len(path) == 1:
        return
    holder, key = tables[depth - 1], path[depth - 1]
    if isinstance(holder, list) and int(key) < len(holder):
        del holder[int(key)]
    elif isinstance(holder, dict):
        holder.pop(key, None)


def draw(rng: random.Random, fair: bool = False) -> dict[str, Any]:
    """Content of a random scenario."""
    return Draft(rng, fair).content
