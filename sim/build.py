"""From a scenario to the arrays of a market, and the state it starts in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from protocols import amm, concentrated, operations, safeguards
from protocols import insurance as insurance_protocol
from protocols import lending as lending_protocol
from protocols import oracle as oracle_protocol
from protocols import pool as pool_protocol
from sim import declared, registry, venue
from sim.codes import MOST_ROUTES, FeeMarket, Kind, Ordering, Reason
from sim.errors import ScenarioError
from sim.ledger import DEBT, FREE, PLEDGE, Ledger, begin
from sim.measures import MEASURE
from sim.mechanisms import cut_in_world
from sim.prices import read_prices
from sim.randomness import generator, stream_key, stream_keys
from sim.scenario import oracle_quote_token, order_of_funding
from sim.tasks import address_tasks, no_tasks
from sim.venue import ASSET, bridge
from sim.world import CALL, CHAIN, COHORT, RECEIPT, ROUTE, SENDER, World

if TYPE_CHECKING:
    from sim.scenario import PoolSettings, Scenario

VENUE, PRODUCER, HOLDERS, TREASURY = "venue", "producer", "holders", "treasury"
LEAST_MEMPOOL = 4096
"""Calls that a mempool has room for, at least; two for every agent else."""


def share_name(pool: str) -> str:
    """Name of the token that is a share of a pool."""
    return f"{pool}-share"


class Layout:
    """Who and what there is: names of accounts and tokens, in the ledger's order."""

    def __init__(self, scenario: Scenario) -> None:
        """Lay out a scenario."""
        s = scenario
        self.pools = list(s.pools)
        self.markets = list(s.lending)
        self.funds = list(s.insurance)
        self.treasuries = {m: f"{m}-treasury" for m in self.markets}
        self.special = [VENUE, PRODUCER, HOLDERS, TREASURY, *self.treasuries.values(), *self.funds]
        names = [*self.special, *self.pools, *self.markets, *s.protocols]
        self.first: dict[str, int] = {}
        for cohort, settings in s.agents.items():
            self.first[cohort] = len(names)
            names += [f"{cohort}-{i}" for i in range(settings.count)]
        self.accounts = names
        self.tokens = [s.venue.numeraire, *s.venue.assets]
        self.issuers: dict[str, str] = {}
        self.rights: dict[str, int] = {}
        for pool in self.pools:
            self.tokens.append(share_name(pool))
            self.issuers[share_name(pool)] = pool
        for market in self.markets:
            reserves = s.lending[market].reserves
            pairs = lending_protocol.reserve_names(market, list(reserves))
            for pair, reserve in zip(pairs, reserves.values(), strict=True):
                self.tokens += pair
                self.issuers.update(dict.fromkeys(pair, market))
                self.rights |= {pair[0]: PLEDGE if reserve.collateral else FREE, pair[1]: DEBT}
        for token, (issuer, right) in declared.issued(s).items():
            self.tokens.append(token)
            self.issuers[token] = issuer
            self.rights[token] = right


def build_world(scenario: Scenario, ledger: Ledger, layout: Layout, seed: int) -> World:
    """Make the arrays of a market, with everybody's wallet and the pools still empty."""
    agents = sum(settings.count for settings in scenario.agents.values())
    accounts = len(layout.accounts)
    capacity = max(LEAST_MEMPOOL, 2 * agents)
    markets, reserves = _markets(scenario, ledger, layout)
    feeds, rings = _feeds(scenario, ledger)
    assets, cholesky, paths = _assets(scenario, ledger, seed)
    cohorts, columns, memory, places = _cohorts(scenario, layout, seed)
    tokens = len(layout.tokens)
    keep = scenario.measures.receipts == "all"
    classes = len(scenario.agents) + len(layout.special)
    pools = _pools(scenario, ledger)
    world = World(
        books=ledger.books,
        chain=_chain(scenario, ledger, seed),
        assets=assets,
        cholesky=cholesky,
        paths=paths,
        pools=pools,
        markets=markets,
        reserves=reserves,
        feeds=feeds,
        rings=rings,
        debtors=np.zeros((max(len(markets), 1), accounts if len(markets) else 1), np.int64),
        since=np.full((max(len(markets), 1), accounts if len(markets) else 1), -2, np.int64),
        health=np.zeros((max(len(markets), 1), accounts if len(markets) else 1)),
        senders=_senders(scenario, layout, seed),
        mempool=np.zeros(capacity, CALL),
        queue=np.zeros(2 * capacity, np.int64),
        keys=np.zeros((2, capacity), np.uint64),
        receipts=np.zeros(capacity + 65_536 if keep else 1, RECEIPT),
        tally=np.zeros((len(cohorts) + 1, len(Reason)), np.int64),
        cohorts=cohorts,
        cells=np.zeros(columns),
        memory=np.zeros(memory),
        places=np.zeros(places, np.int64),
        values=np.zeros(tokens),
        prices=np.zeros(tokens),
        measures=np.zeros(1, MEASURE),
        table=np.zeros((1, 1)),
        rows=np.array([0, scenario.measures.every], np.int64),
        sums=np.zeros((len(cohorts) + 1, tokens)),
        start=np.zeros((classes, tokens)),
        start_worth=np.zeros(classes),
        claims=np.zeros((classes, tokens)),
        routes=np.zeros(MOST_ROUTES, ROUTE),
        funds=insurance_protocol.records(scenario, ledger),
        **declared.tables(scenario, ledger, declared_slot(scenario)),
        calls=np.zeros(len(Kind), np.int64),
        tasks=no_tasks(),
        claimed=np.zeros(tokens),
        scratch=np.zeros(accounts),
    )
    address_tasks(world)
    for name, works in scenario.switches:
        if not works:
            cut_in_world(world, name)
    return world


def senders(seed: int, accounts: Sequence[str]) -> npt.NDArray[np.void]:
    """Senders that are in no group, SENDER[accounts]; each draws by its own name."""
    found = np.zeros(len(accounts), SENDER)
    found["stream"] = [stream_key(seed, f"sender:{name}") for name in accounts]
    return found


def _senders(s: Scenario, layout: Layout, seed: int) -> npt.NDArray[np.void]:
    """All senders, SENDER[accounts]: whoever else is there changes nobody's draws."""
    others = layout.accounts[: len(layout.accounts) - sum(g.count for g in s.agents.values())]
    groups = [np.zeros(g.count, SENDER) for g in s.agents.values()]
    for group, name in zip(groups, s.agents, strict=True):
        group["stream"] = stream_keys(seed, f"senders:{name}", group.size)
    return np.concatenate([senders(seed, others), *groups])


def _chain(s: Scenario, ledger: Ledger, seed: int) -> npt.NDArray[np.void]:
    chain = np.zeros(1, CHAIN)
    c, b = chain[0], s.block
    c["seconds"] = b.seconds
    c["numeraire"] = ledger.token(s.venue.numeraire)
    c["venue"] = ledger.account(VENUE)
    c["producer"] = ledger.account(PRODUCER)
    c["gas_token"] = ledger.token(b.gas_token)
    c["ordering"] = Ordering[b.ordering.upper()]
    c["fee_market"] = FeeMarket[b.fee_market.upper()]
    c["stream"] = stream_key(seed, "block")
    c["expiry"] = b.expiry
    c["gas_limit"] = b.gas_limit
    c["revert_gas"] = b.revert_gas
    c["base_fee"] = b.base_fee if b.fee_market == "eip1559" else 0.0
    c["least_base_fee"] = b.min_base_fee
    c["priority_fee"] = b.priority_fee
    c["outside_gas"] = b.outside.gas
    c["outside_median"] = b.outside.bid_median
    c["outside_sigma"] = b.outside.bid_sigma
    c["price_response"] = b.outside.volatility_response
    c["quantity_response"] = b.outside.quantity_response
    c["stress_memory"] = 1.0 - math.exp(-1.0 / b.outside.memory)
    c["surge"] = 1.0
    c["gas_price"] = c["base_fee"]
    c["keep_receipts"] = s.measures.receipts == "all"
    c["next_number"] = 1
    c["bundle_head"] = -1
    c["bundle_call"] = -1
    c["ranges"] = sum(registry.pool(pool.kind).curve.ranges for pool in s.pools.values())
    guarded = [
        p
        for p in s.pools.values()
        if p.breaker or p.volatility_fee or p.imbalance_fee or p.weight_rule
    ]
    c["interconnected"] = 1
    c["guarded"] = bool(guarded) or bool(s.insurance)
    base = {s.venue.numeraire, *s.venue.assets}
    c["nested"] = any(set(pool.tokens) - base for pool in s.pools.values()) or bool(s.protocols)
    c["stopped"] = -1
    costs = b.gas.model_dump()
    for kind in Kind:
        c["gas_cost"][kind] = costs.get(kind.name.lower(), 0.0)  # a protocol says its own
    return chain


def _assets(
    s: Scenario, ledger: Ledger, seed: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The venue's assets, the factor of their correlation, and replayed log prices."""
    names = list(s.venue.assets)
    assets = np.zeros(len(names), ASSET)
    dt = s.block.seconds / venue.YEAR
    paths = _paths(s, seed)
    for i, (name, a) in enumerate(s.venue.assets.items()):
        r = assets[i]
        price = math.exp(paths[name][0]) if name in paths else a.price
        variance = a.volatility**2 * dt
        r["token"] = ledger.token(name)
        r["step_at"] = venue.step_of(a.process)
        r["path"] = list(paths).index(name) if name in paths else 0
        r["slot"] = _asset_slot(i)
        r["stream"] = stream_key(seed, f"asset:{name}")
        r["x"] = r["anchor"] = math.log(price)
        r["price"] = r["before"] = price
        r["drift"] = a.drift * dt
        r["sigma"] = math.sqrt(variance)
        r["variance"] = variance
        r["jump_chance"] = a.jump_rate * dt
        r["jump_mean"], r["jump_sd"] = a.jump_mean, a.jump_sd
        r["reversion"] = a.reversion * dt
        r["vol_of_vol"] = a.vol_of_vol * dt
        r["leverage"] = a.leverage
        r["alpha"], r["beta"] = a.alpha, a.beta
        r["depth"] = a.depth
        r["depth_exponent"], r["least_depth"] = a.depth_exponent, a.least_depth
        r["depth_multiple"] = 1.0
        if a.process == "constant":
            variance = 0.0
        if a.process == "jumps":
            variance += a.jump_rate * dt * (a.jump_mean**2 + a.jump_sd**2)
        if a.process == "mean_reverting":  # of a block's change, the price being near its mean
            variance *= venue.decayed(a.reversion * dt)
        r["normal_variance"] = r["seen_variance"] = variance
        r["memory"] = 1.0 - math.exp(-1.0 / a.volatility_memory)
        r["permanent"] = a.permanent
        r["decay"] = 0.5 ** (1.0 / a.half_life)
        r["spread"] = a.spread
        r["units"] = venue.depth_units(r, 0)
    matrix = np.eye(len(names))
    for pair, value in s.venue.correlation.items():
        i, j = (names.index(n) for n in pair.split(":"))
        matrix[i, j] = matrix[j, i] = value
    rows = [*paths.values()] or [np.zeros(1)]
    return assets, _cholesky(matrix), np.ascontiguousarray(rows, dtype=np.float64)


def _cholesky(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Lower factor of a correlation matrix that the scenario has checked.

    Summed in order, so that an asset with which none correlates adds zeros, and its
    absence leaves the rows of the others the same to the bit: a library may sum in an
    order that depends on the matrix's size.
    """
    factor = np.zeros_like(matrix)
    for i in range(len(matrix)):
        for j in range(i + 1):
            rest = float(matrix[i, j])
            for k in range(j):
                rest -= float(factor[i, k] * factor[j, k])
            factor[i, j] = math.sqrt(max(rest, 0.0)) if i == j else rest / factor[j, j]
    return factor


def _paths(s: Scenario, seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """Log price paths of the assets that are bridged or replayed, float64[blocks + 1]."""
    paths: dict[str, npt.NDArray[np.float64]] = {}
    replayed = {n: a.symbol or n for n, a in s.venue.assets.items() if a.process == "replay"}
    if replayed:
        found = read_prices(s.price_file(), replayed, s.start, s.blocks, s.block.seconds)
        paths.update({name: np.log(prices) for name, prices in found.items()})
    for name, a in s.venue.assets.items():
        if a.process == "bridge":
            times, prices, volatilities = s.bridge_points(name)
            sigmas = volatilities * math.sqrt(s.block.seconds / venue.YEAR)
            rng = generator(seed, f"bridge:{name}")
            paths[name] = bridge(times, prices, sigmas, s.blocks, rng)
    return paths


def _asset_slot(i: int) -> int:
    return i * venue.ASSET_SLOTS


def _pool_slot(s: Scenario, p: int) -> int:
    return _asset_slot(len(s.venue.assets)) + p * pool_protocol.COUNTERS * pool_protocol.MOST_TOKENS


def slots(s: Scenario) -> int:
    """Numbers that the protocols of a scenario keep in the ledger's storage."""
    return declared_slot(s) + declared.slots(s)


def declared_slot(s: Scenario) -> int:
    """First slot of protocols that declare themselves."""
    reserves = sum(len(m.reserves) for m in s.lending.values())
    return (
        _lending_slot(s)
        + len(s.lending) * lending_protocol.MARKET_SLOTS
        + reserves * lending_protocol.RESERVE_SLOTS
    )


def _lending_slot(s: Scenario) -> int:
    """First slot of the lending markets, after those of the pools' ticks and positions."""
    return _pool_slot(s, len(s.pools)) + sum(_range_slots(s, name) for name in s.pools)


def _tick_row(pool: PoolSettings) -> tuple[int, int]:
    """(lowest tick in units of the spacing, number of ticks) that a pool's prices allow."""
    first = pool.reserves[pool.tokens[1]] / pool.reserves[pool.tokens[0]]
    ends = [
        math.log(first * m) / concentrated.LOG_BASE for m in (1 / pool.price_span, pool.price_span)
    ]
    low, high = (min(max(end, -concentrated.MOST_TICK), concentrated.MOST_TICK) for end in ends)
    lowest, highest = math.floor(low / pool.tick_spacing), math.ceil(high / pool.tick_spacing)
    most = concentrated.MOST_TICK // pool.tick_spacing
    lowest, highest = max(lowest, -most), min(highest, most)
    return lowest, highest - lowest + 1


def _capacity(s: Scenario, name: str) -> int:
    """Positions that a pool has room for: a few of each of its providers, and some more."""
    room = s.pools[name].positions + len(s.pools[name].ranges)
    for settings in s.agents.values():
        if name in settings.pools:
            room += settings.count * int(getattr(registry.behaviour(settings.kind), "positions", 0))
    return room


def _range_slots(s: Scenario, name: str) -> int:
    if s.pools[name].kind != "concentrated":
        return 0
    return concentrated.slots(_tick_row(s.pools[name])[1], _capacity(s, name))


def _pools(s: Scenario, ledger: Ledger) -> npt.NDArray[np.void]:
    pools = np.zeros(len(s.pools), pool_protocol.POOL)
    extra = _pool_slot(s, len(s.pools))
    names = list(s.pools)
    for p, (name, settings) in enumerate(s.pools.items()):
        r = pools[p]
        curve = registry.pool(settings.kind).curve
        r["kind"] = curve.kind
        for field in ("parted", "balanced", "ranges"):
            r[field] = getattr(curve, field)
        for n, (parameter, column) in enumerate(registry.pool(settings.kind).parameters.items()):
            r["parameters"][n] = settings.parameters.get(parameter, column.default)
        for field, address in operations.addresses(curve).items():
            r[field] = address
        r["account"] = ledger.account(name)
        r["treasury"] = ledger.account(TREASURY)
        r["share"] = ledger.token(share_name(name))
        r["size"] = len(settings.tokens)
        r["slot"] = _pool_slot(s, p)
        r["tokens"][: len(settings.tokens)] = [ledger.token(t) for t in settings.tokens]
        r["fee"] = settings.fee
        r["protocol_fee"] = settings.protocol_fee
        first = settings.shares_of_value()
        target = settings.target_weights or {}
        for i, token in enumerate(settings.tokens):
            r["first_weights"][i] = r["weights"][i] = first[token]
            r["target_weights"][i] = target.get(token, first[token]) / (sum(target.values()) or 1.0)
        if settings.weight_rule is not None:
            r["rule_strength"] = settings.weight_rule.strength
            r["rule_memory"] = settings.weight_rule.memory
            r["lowest_weight"] = settings.weight_rule.lowest
        r["amplification"] = r["first_amplification"] = settings.amplification
        r["target_amplification"] = settings.target_amplification or settings.amplification
        r["moves_from"], r["moves_until"] = settings.moves_from, settings.moves_until
        r["fee_multiplier"] = settings.fee_multiplier
        r["rate_pools"] = -1
        r["rates"] = 1.0
        for i, token in enumerate(settings.tokens):
            r["rates"][i] = (settings.rates or {}).get(token, 1.0)
            base = token.removesuffix("-share")
            if settings.kind == "stableswap" and base in names and token == share_name(base):
                r["rate_pools"][i] = names.index(base) if s.pools[base].kind == "stableswap" else -1
        r["ratio"] = settings.ratio
        if settings.kind == "concentrated":
            r["extra"], r["spacing"] = extra, settings.tick_spacing
            r["lowest"], r["width"] = _tick_row(settings)
            r["capacity"] = _capacity(s, name)
            extra += _range_slots(s, name)
        _guard(settings, r)
    return pools


def _guard(settings: PoolSettings, r: Any) -> None:
    """Write a pool's safeguards into its record."""
    r["base_fee"] = settings.fee
    r["volatility_fee"], r["imbalance_fee"] = settings.volatility_fee, settings.imbalance_fee
    r["highest_fee"] = settings.highest_fee
    r["fee_memory"] = 1.0 - math.exp(-1.0 / settings.fee_memory)
    if settings.breaker is None:
        return
    r["guarded"] = 1
    r["most_move"] = settings.breaker.move
    r["most_imbalance"] = settings.breaker.imbalance
    r["most_outflow"] = settings.breaker.outflow
    r["window"], r["cool_down"] = settings.breaker.window, settings.breaker.cool_down


def _markets(
    s: Scenario, ledger: Ledger, layout: Layout
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
    markets = np.zeros(len(s.lending), lending_protocol.MARKET)
    reserves = np.zeros(sum(len(m.reserves) for m in s.lending.values()), lending_protocol.RESERVE)
    at = 0
    slot = _lending_slot(s)
    feeds = list(s.oracles)
    for m, (name, settings) in enumerate(s.lending.items()):
        r = markets[m]
        r["account"] = ledger.account(name)
        r["treasury"] = ledger.account(layout.treasuries[name])
        r["first"], r["size"] = at, len(settings.reserves)
        r["close_factor"] = settings.close_factor
        r["full_close_below"] = settings.full_close_below
        r["bonus_share"] = settings.bonus_share
        r["flash_fee"] = settings.flash_fee
        r["slot"] = slot
        slot += lending_protocol.MARKET_SLOTS
        names = lending_protocol.reserve_names(name, list(settings.reserves))
        for (token, t), (receipt, debt) in zip(settings.reserves.items(), names, strict=True):
            v = reserves[at]
            v["market"] = m
            v["token"], v["receipt"] = ledger.token(token), ledger.token(receipt)
            v["debt"] = ledger.token(debt)
            v["feed"] = feeds.index(t.oracle or token)
            v["collateral"], v["borrowable"] = t.collateral, t.borrowable
            for field in ("ltv", "threshold", "bonus", "base_rate", "slope1", "slope2"):
                v[field] = getattr(t, field)
            for field in ("optimal", "reserve_factor", "supply_cap", "borrow_cap"):
                v[field] = getattr(t, field)
            v["slot"] = slot
            ledger.books.storage[slot + lending_protocol.SUPPLY_INDEX] = 1.0
            ledger.books.storage[slot + lending_protocol.BORROW_INDEX] = 1.0
            slot += lending_protocol.RESERVE_SLOTS
            at += 1
    return markets, reserves


def _feeds(s: Scenario, ledger: Ledger) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64]]:
    feeds = np.zeros(len(s.oracles), oracle_protocol.FEED)
    names, assets, pools = list(s.oracles), list(s.venue.assets), list(s.pools)
    memory = 2
    for f, settings in enumerate(s.oracles.values()):
        r = feeds[f]
        r["token"] = ledger.token(settings.token)
        r["asset"] = assets.index(settings.token) if settings.token in assets else -1
        r["source"] = oracle_protocol.SOURCES[settings.source]
        r["pool"] = pools.index(settings.pool) if settings.pool else 0
        r["quote"] = names.index(settings.quote) if settings.quote else -1
        if settings.source == "share":
            tokens = s.pools[settings.pool or ""].tokens
            r["parts"][: len(tokens)] = [_feed_of(s, token) for token in tokens]
        if settings.source in ("pool_spot", "pool_twap"):
            inside = s.pools[settings.pool or ""].tokens
            against = oracle_quote_token(inside, settings.token, s.venue.numeraire)
            if settings.quote:
                against = s.oracles[settings.quote].token
            r["against"] = inside.index(against)
        r["lag"], r["heartbeat"] = settings.lag, settings.heartbeat
        r["live"] = settings.live
        r["deviation"], r["window"] = settings.deviation, settings.window
        if settings.source == "fixed":
            r["price"] = settings.price
        memory = max(memory, settings.lag + 1, settings.window + 1)
    return feeds, np.zeros((len(feeds), 2 * memory))


def _feed_of(s: Scenario, token: str) -> int:
    """The oracle that is called like a token, or else the first one of it."""
    namesake = s.oracles.get(token)
    if namesake is not None and namesake.token == token and namesake.source != "share":
        return list(s.oracles).index(token)
    for f, settings in enumerate(s.oracles.values()):
        if settings.token == token and settings.source != "share":
            return f
    raise ScenarioError([("oracles", f"a share's fair price needs an oracle of {token}; add one")])


def _cohorts(s: Scenario, layout: Layout, seed: int) -> tuple[npt.NDArray[np.void], int, int, int]:
    """The cohorts' records, and how many cells, memories and places they need."""
    cohorts = np.zeros(len(s.agents), COHORT)
    cells = memory = places = 0
    for c, (name, settings) in enumerate(s.agents.items()):
        behaviour: Any = registry.behaviour(settings.kind)
        r = cohorts[c]
        r["ident"] = c
        r["stream"] = stream_key(seed, f"agents:{name}")
        r["first"], r["size"] = layout.first[name], settings.count
        r["columns"] = len(behaviour.columns)
        r["cells"], r["memory"], r["places"] = cells, memory, places
        r["memory_size"] = sum(number.count for number in behaviour.remembers.values())
        r["places_size"] = behaviour.places_size(s, settings)
        r["searcher"] = behaviour.searcher
        r["watches"] = getattr(behaviour, "watches", False)
        r["routes"] = settings.routing
        cells += settings.count * len(behaviour.columns)
        memory += int(r["memory_size"])
        places += int(r["places_size"])
    return cohorts, max(cells, 1), max(memory, 1), max(places, 1)


def fund(scenario: Scenario, ledger: Ledger, world: World) -> None:
    """Fill the venue's inventory, the pools and the lending markets' first cash.

    All of it is put up by the account of outside holders (the venue's by the venue).
    """
    s = scenario
    ledger.mint(VENUE, s.venue.numeraire, s.venue.inventory)
    for name, asset in s.venue.assets.items():
        ledger.mint(VENUE, name, asset.inventory)
    holders = ledger.account(HOLDERS)
    names = list(s.pools)
    for name in order_of_funding(s):
        _fund_pool(s, ledger, world, names.index(name), holders)
    for fund, insurance in s.insurance.items():
        ledger.mint(fund, insurance.token, insurance.funds)
    r = 0
    for m, (name, market) in enumerate(s.lending.items()):
        for token, reserve in market.reserves.items():
            cash = reserve.cash
            if reserve.utilisation is not None:
                # The cap is for what is left when all have begun, see `trim_cash`.
                cash, world.reserves[r]["supply_cap"] = AMPLE, math.inf
            if cash > 0.0:
                ledger.mint(holders, token, cash)
                begin(ledger.books)
                reason, _ = lending_protocol.deposit(
                    ledger.books,
                    world.markets[m],
                    world.reserves,
                    holders,
                    ledger.token(token),
                    cash,
                )
                if reason != Reason.DONE:
                    text = f"{cash:g} cannot be deposited ({Reason(reason).name.lower()})"
                    field = f"lending.{name}.reserves.{token}.cash"
                    raise ScenarioError([(field, f"{text}; lower it")])
            r += 1


def _fund_pool(s: Scenario, ledger: Ledger, world: World, p: int, holders: int) -> None:
    """Let outside holders fill a pool; shares of others they take from those they hold."""
    name, settings = list(s.pools.items())[p]
    pool = world.pools[p]
    base = (s.venue.numeraire, *s.venue.assets)
    for token, amount in settings.reserves.items():
        if token in base:
            ledger.mint(holders, token, amount)
        elif amount > ledger.balance(holders, token):
            left = ledger.balance(holders, token)
            text = f"holds {amount:g} {token}, of which holders have {left:g} left; lower it"
            raise ScenarioError([(f"pools.{name}.reserves.{token}", text)])
    begin(ledger.books)
    if settings.kind == "concentrated":
        _fund_ranges(settings, ledger, pool, name, holders)
        return
    if settings.kind == "bonding_curve":
        money = settings.tokens[1]
        ledger.transfer(holders, name, money, settings.reserves[money])
        ledger.mint(holders, share_name(name), settings.supply or 0.0)
        pool["start"][1] = settings.reserves[money] / (settings.supply or 1.0)
        return
    amm.move(ledger.books, world.pools, p, 0)
    amounts = np.array([settings.reserves[token] for token in settings.tokens])
    amm.first_entry(ledger.books, pool, holders, amounts)
    supply = ledger.supply(int(pool["share"]))
    pool["start"][: amounts.size] = amounts / supply


def _fund_ranges(
    settings: PoolSettings, ledger: Ledger, pool: Any, name: str, holders: int
) -> None:
    """Open the positions that outside holders have in a concentrated pool at the start."""
    base, quote = (settings.reserves[token] for token in settings.tokens)
    price = quote / base
    concentrated.initialise(ledger.books, pool, math.sqrt(price))
    pool["first_price"] = price
    whole = [(1.0 / settings.price_span, settings.price_span, 1.0)]
    ranges = [(r.lower, r.upper, r.share) for r in settings.ranges] or whole
    total = sum(share for _, _, share in ranges)
    for i, (low, high, share) in enumerate(ranges):
        lower = int(concentrated.spaced(pool, price * low, False))
        upper = int(concentrated.spaced(pool, price * high, True))
        ends = concentrated.sqrt_price_at_tick(lower), concentrated.sqrt_price_at_tick(upper)
        x, y = concentrated.amounts_for_liquidity(1.0, math.sqrt(price), *ends)
        liquidity = share / total * 2.0 * quote / (x * price + y)
        needs = x * liquidity, y * liquidity
        for token, need in zip(settings.tokens, needs, strict=True):
            lacks = need * (1.0 + 1e-12) - ledger.balance(holders, token)
            if lacks > 0.0:  # ranges that are not centred need more of one token
                ledger.mint(holders, token, lacks)
        begin(ledger.books)
        reason, _, _ = concentrated.add(ledger.books, pool, holders, lower, upper, liquidity)
        if reason != Reason.DONE:
            text = f"cannot be opened ({Reason(reason).name.lower()}); move its prices apart"
            raise ScenarioError([(f"pools.{name}.ranges.{i}", text)])


AMPLE = 1e10
"""Cash for the first loans where a utilisation is asked for; the rest is taken back."""


def trim_cash(scenario: Scenario, ledger: Ledger, world: World) -> None:
    """Leave outside holders deposits that make the utilisation the one asked for.

    Where other depositors hold more than that already, they are left with none.

    Raises:
        ScenarioError: If what is left exceeds the cap on deposits.
    """
    r = 0
    for m, (name, market) in enumerate(scenario.lending.items()):
        for token, reserve in market.reserves.items():
            if reserve.utilisation is not None:
                record = world.reserves[r]
                totals = lending_protocol.totals(ledger.books, world.markets[m], record)
                own = ledger.balance(HOLDERS, int(record["receipt"]))  # the indices are one
                wanted = float(totals[1]) / reserve.utilisation
                excess = min(own, max(float(totals[0]) - wanted, 0.0))
                ledger.burn(HOLDERS, int(record["receipt"]), excess)
                ledger.burn(int(world.markets[m]["account"]), token, excess)
                ledger.books.storage[int(record["slot"]) + lending_protocol.CASH] -= excess
                record["supply_cap"] = reserve.supply_cap
                if float(totals[0]) - excess > reserve.supply_cap:
                    field = f"lending.{name}.reserves.{token}.supply_cap"
                    text = f"{reserve.supply_cap:g} is below the deposits of the start"
                    text += f" ({float(totals[0]) - excess:g}); raise it"
                    raise ScenarioError([(field, text)])
                _settle_rounding(ledger, world.markets[m], record)
            r += 1


def _settle_rounding(ledger: Ledger, market: Any, record: Any) -> None:
    """Let a reserve's books say what is there, after so much has come and gone.

    The rounding of `AMPLE` would be a leak of the little that may be left.
    """
    for column in (int(record["token"]), int(record["receipt"])):
        ledger.books.supply[column] = math.fsum(ledger.balances[:, column])
    deposits, debts, cash = lending_protocol.totals(ledger.books, market, record)
    lacks = float(deposits - debts - cash)
    if lacks > 0.0:
        ledger.mint(int(market["account"]), int(record["token"]), lacks)
    else:
        ledger.burn(int(market["account"]), int(record["token"]), min(-lacks, float(cash)))
    ledger.books.storage[int(record["slot"]) + lending_protocol.CASH] = deposits - debts


def first_prices(world: World) -> None:
    """Give every oracle the price that it starts with."""
    for _ in range(2):  # a pool's other token may be priced by a later feed
        for feed in world.feeds:
            source = int(feed["source"])
            if source == oracle_protocol.VENUE or feed["exogenous"]:
                a = int(feed["asset"])
                feed["price"] = world.assets[a]["price"] if a >= 0 else 1.0
            elif source == oracle_protocol.SHARE:
                pool = world.pools[int(feed["pool"])]
                feed["price"] = oracle_protocol.fair_share_price(
                    world.books, pool, world.feeds, feed
                )
            elif source != oracle_protocol.FIXED:
                feed["price"] = oracle_protocol.pool_price(
                    world.books, world.pools, world.feeds, feed
                )


def first_windows(world: World) -> None:
    """Let the limits of circuit breakers count from the start."""
    if not world.chain[0]["guarded"]:
        return
    for pool in world.pools:
        safeguards.watch(world.books, pool, world.values, 1)
        safeguards.begin_window(world.books, pool, 0)


def underlying(world: World, holdings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holdings with shares, receipts and debts replaced by the base tokens behind them.

    Args:
        holdings: float64[tokens].

    Returns:
        float64[tokens]; a debt counts negatively.
    """
    found = holdings.copy()
    for _ in range(3):
        for pool in world.pools:
            share = int(pool["share"])
            if pool["ranges"]:
                continue
            part, found[share] = found[share] / max(world.books.supply[share], 1e-300), 0.0
            for i in range(int(pool["size"])):
                token = int(pool["tokens"][i])
                if token == share:  # a bonding curve's own
                    continue
                found[token] += part * world.books.balances[int(pool["account"]), token]
        for r in world.reserves:
            token, slot = int(r["token"]), int(r["slot"])
            storage = world.books.storage
            receipts, debts = found[int(r["receipt"])], found[int(r["debt"])]
            found[token] += receipts * storage[slot + lending_protocol.SUPPLY_INDEX]
            found[token] -= debts * storage[slot + lending_protocol.BORROW_INDEX]
            found[int(r["receipt"])] = found[int(r["debt"])] = 0.0
        declared.holdings_behind(world, found)
    return found


def first_memory(remembers: Mapping[str, registry.Column]) -> npt.NDArray[np.float64]:
    """What a cohort remembers at the start, as its memory holds it."""
    return np.array([n.default for n in remembers.values() for _ in range(n.count)], np.float64)


def draw_columns(
    columns: Mapping[str, Any], given: Mapping[str, Any], size: int, seed: int, cohort: str
) -> npt.NDArray[np.float64]:
    """Draw every agent's numbers, each column from a stream of its own.

    Returns:
        float64[agents, columns].
    """
    cells = np.zeros((size, len(columns)))
    for i, (name, column) in enumerate(columns.items()):
        source = given.get(name, column.default)
        if isinstance(source, int | float):
            cells[:, i] = source
        else:
            cells[:, i] = source.draw(generator(seed, f"{cohort}:{name}"), size)
    return cells
