"""From a scenario to the arrays of a market, and the state it starts in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim import registry, venue
from sim.arrays import log
from sim.codes import MOST_ROUTES, FeeMarket, Kind, Ordering, Reason
from sim.cohort import cells_of
from sim.ledger import Ledger
from sim.measures import MEASURE
from sim.mechanisms import cut_in_world
from sim.names import PRODUCER, VENUE
from sim.parts import (
    Part,
    common_accounts,
    in_order_of_funding,
    issued_tokens,
    parts,
    special_accounts,
)
from sim.prices import read_prices
from sim.randomness import generator, normal_quantile, stream_key, stream_keys
from sim.records import ASKED, CALL, CHAIN, COHORT, RECEIPT, ROUTE, RULES, SENDER, UNDER_WAY
from sim.tasks import address_tasks, no_tasks
from sim.units import YEAR
from sim.venue import ASSET, QUOTE, bridge
from sim.world import World

if TYPE_CHECKING:
    from sim.scenario import AgentSettings, Scenario

LEAST_MEMPOOL = 4096
"""Calls that a mempool has room for, at least; two for every agent else."""


class Layout:
    """Who and what there is: names of accounts and tokens, in the ledger's order."""

    def __init__(self, scenario: Scenario) -> None:
        """Lay out a scenario."""
        s = scenario
        self.special = special_accounts(s)
        names = common_accounts(s)
        self.first: dict[str, int] = {}
        for cohort, settings in s.agents.items():
            self.first[cohort] = len(names)
            names += [f"{cohort}-{i}" for i in range(settings.count)]
        self.accounts = names
        self.tokens = [s.venue.numeraire, *s.venue.assets]
        issued = issued_tokens(s)
        self.tokens += [each.token for each in issued]
        self.issuers = {each.token: each.issuer for each in issued}
        self.rights = {each.token: each.right for each in issued}


def build_world(scenario: Scenario, ledger: Ledger, layout: Layout, seed: int) -> World:
    """Make the arrays of a market, with everybody's wallet and the pools still empty."""
    agents = sum(settings.count for settings in scenario.agents.values())
    accounts = len(layout.accounts)
    capacity = max(LEAST_MEMPOOL, 2 * agents)
    assets, cholesky, paths = _assets(scenario, ledger, seed)
    cohorts, columns, memory, places = _cohorts(scenario, layout, seed)
    tokens = len(layout.tokens)
    keep = scenario.measures.receipts == "all"
    classes = len(scenario.agents) + len(layout.special)
    theirs: dict[str, Any] = {}
    for part, slot in first_slots(scenario).items():
        theirs |= part.arrays(scenario, ledger, slot)
    world = World(
        books=ledger.books,
        rules=_rules(scenario, ledger, seed),
        chain=_chain(scenario),
        under_way=_no_transaction(),
        asked=np.zeros(1, ASKED),
        assets=assets,
        cholesky=cholesky,
        paths=paths,
        quotes=np.zeros(quotes(scenario), QUOTE),
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
        **theirs,
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


def _rules(s: Scenario, ledger: Ledger, seed: int) -> npt.NDArray[np.void]:
    """Settings of the block, RULES[1]."""
    rules = np.zeros(1, RULES)
    r, b = rules[0], s.block
    r["seconds"] = b.seconds
    r["numeraire"] = ledger.token(s.venue.numeraire)
    r["venue"] = ledger.account(VENUE)
    r["producer"] = ledger.account(PRODUCER)
    r["gas_token"] = ledger.token(b.gas_token)
    r["ordering"] = Ordering[b.ordering.upper()]
    r["fee_market"] = FeeMarket[b.fee_market.upper()]
    r["stream"] = stream_key(seed, "block")
    r["expiry"] = b.expiry
    r["gas_limit"] = b.gas_limit
    r["revert_gas"] = b.revert_gas
    r["least_base_fee"] = b.min_base_fee
    r["priority_fee"] = b.priority_fee
    r["replacement"] = b.replacement
    _set_gas_path(r, s)
    r["outside_gas"] = b.outside.gas
    r["outside_median"] = b.outside.bid_median
    r["outside_sigma"] = b.outside.bid_sigma
    r["price_response"] = b.outside.volatility_response
    r["quantity_response"] = b.outside.quantity_response
    r["stress_memory"] = 1.0 - math.exp(-1.0 / b.outside.memory)
    r["keep_receipts"] = s.measures.receipts == "all"
    r["interconnected"] = 1
    for part in parts():
        for flag, value in part.flags(s).items():
            r[flag] = max(int(r[flag]), value)
    costs = b.gas.model_dump()
    for kind in Kind:
        r["gas_cost"][kind] = costs.get(kind.name.lower(), 0.0)  # a protocol says its own
    return rules


def _chain(s: Scenario) -> npt.NDArray[np.void]:
    """The block before the first, CHAIN[1]."""
    chain = np.zeros(1, CHAIN)
    c = chain[0]
    c["base_fee"] = s.block.base_fee if s.block.fee_market == "eip1559" else 0.0
    recorded = _gas_path(s)
    if recorded.size and s.block.fee_market == "eip1559":
        c["base_fee"] = max(math.exp(recorded[1]), s.block.min_base_fee)
    c["gas_price"] = c["base_fee"]
    if recorded.size:
        c["gas_price"] = math.exp(recorded[0])
    c["surge"] = 1.0
    c["next_number"] = 1
    c["bundle_head"] = c["stopped"] = -1
    return chain


def _gas_path(s: Scenario) -> npt.NDArray[np.float64]:
    """Log of recorded gas prices at every block, float64[blocks + 1]; empty: none is replayed."""
    if s.block.gas_symbol is not None:
        symbols = {"gas": s.block.gas_symbol}
        return log(read_prices(s.price_file(), symbols, s.start, s.blocks, s.block.seconds)["gas"])
    if not s.block.gas_path:
        return np.zeros(0)
    times, prices = s.gas_points()
    grid = np.arange(s.blocks + 1, dtype=np.float64)
    return np.asarray(np.interp(grid, times, log(prices)))


def _set_gas_path(r: np.void, s: Scenario) -> None:
    """Where recorded gas prices are, and what outside bids make them without the agents.

    The recorded price is what the rest of the world alone would pay. Of first-price auctions it
    is the bid that just gets in: ``median exp(-sigma q(limit / wanted))``, q the quantile. Of
    EIP-1559 it is the base fee at which the world wants half of the limit, where it rests.
    """
    r["gas_row"] = -1
    if not s.block.replays_gas:
        return
    r["gas_row"] = len(_recorded(s))
    room = (0.5 if s.block.fee_market == "eip1559" else 1.0) / s.block.outside.gas
    r["gas_offset"] = s.block.outside.bid_sigma * float(normal_quantile(room))


def _recorded(s: Scenario) -> list[str]:
    """Assets whose prices follow a path that is laid out beforehand, in its rows' order."""
    processes = ("replay", "bridge")
    return [n for p in processes for n, a in s.venue.assets.items() if a.process == p]


def _no_transaction() -> npt.NDArray[np.void]:
    """No transaction under way, UNDER_WAY[1]."""
    under_way = np.zeros(1, UNDER_WAY)
    under_way[0]["bundle_call"] = -1
    return under_way


def _assets(
    s: Scenario, ledger: Ledger, seed: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The venue's assets, the factor of their correlation, and replayed log prices."""
    names = list(s.venue.assets)
    assets = np.zeros(len(names), ASSET)
    dt = s.block.seconds / YEAR
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
        r["price"] = r["before"] = r["filled"] = price
        r["drift"] = a.drift * dt
        r["sigma"] = math.sqrt(variance)
        r["variance"] = variance
        r["jump_chance"] = a.jump_rate * dt
        r["jump_mean"], r["jump_sd"] = a.jump_mean, a.jump_sd
        r["common"] = s.venue.jump_correlation if a.process == "jumps" else 0.0
        r["common_stream"] = stream_key(seed, "venue:jumps")
        r["news"] = a.value_volatility * math.sqrt(dt)
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
        recorded = a.process in ("bridge", "replay")
        r["permanent"] = 0.0 if recorded and a.impact == "reverting" else a.permanent
        r["decay"] = 0.5 ** (1.0 / a.half_life)
        r["spread"] = a.spread
        r["units"] = venue.depth_units(r, 0)
    matrix = np.eye(len(names))
    for pair, value in s.venue.correlation.items():
        i, j = (names.index(n) for n in pair.split(":"))
        matrix[i, j] = matrix[j, i] = value
    rows = [*paths.values()]
    if s.block.replays_gas:
        rows.append(_gas_path(s))
    rows = rows or [np.zeros(1)]
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
        paths.update({name: log(prices) for name, prices in found.items()})
    for name, a in s.venue.assets.items():
        if a.process == "bridge":
            times, prices, volatilities = s.bridge_points(name)
            sigmas = volatilities * math.sqrt(s.block.seconds / YEAR)
            rng = generator(seed, f"bridge:{name}")
            paths[name] = bridge(times, prices, sigmas, s.blocks, rng)
    return paths


def quotes(s: Scenario) -> int:
    """Quotes at the venue: of each agent whose kind makes markets, one for each of its assets."""
    return sum(_quotes_of(group) for group in s.agents.values())


def first_quote(s: Scenario, group: str) -> int:
    """Number of the first quote of a group of market makers."""
    found = 0
    for name, g in s.agents.items():
        if name == group:
            return found
        found += _quotes_of(g)
    raise KeyError(group)


def _quotes_of(group: AgentSettings) -> int:
    makes = getattr(registry.behaviour(group.kind), "makes_markets", False)
    return group.count * len(group.named("asset")) if makes else 0


def slots(s: Scenario) -> int:
    """Numbers that the venue and all parts keep in the ledger's storage."""
    return _asset_slot(len(s.venue.assets)) + sum(part.slots(s) for part in parts())


def first_slots(s: Scenario) -> dict[Part, int]:
    """Where each part's numbers in the ledger's storage begin."""
    found = {}
    at = _asset_slot(len(s.venue.assets))
    for part in parts():
        found[part] = at
        at += part.slots(s)
    return found


def fund(scenario: Scenario, ledger: Ledger, world: World) -> None:
    """Fill the venue's inventory and all that starts filled.

    All of it is put up by the account of outside holders (the venue's by the venue).
    """
    s = scenario
    ledger.mint(VENUE, s.venue.numeraire, s.venue.inventory)
    for name, asset in s.venue.assets.items():
        ledger.mint(VENUE, name, asset.inventory)
    for part in in_order_of_funding():
        part.fund(s, ledger, world)


def underlying(world: World, holdings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holdings with shares, receipts and debts replaced by the base tokens behind them.

    Args:
        holdings: float64[tokens].

    Returns:
        float64[tokens]; a debt counts negatively.
    """
    found = holdings.copy()
    for _ in range(3):
        for part in parts():
            part.behind(world, found)
    return found


def _asset_slot(i: int) -> int:
    return i * venue.ASSET_SLOTS


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
        r["columns"] = cells_of(behaviour.columns)
        r["cells"], r["memory"], r["places"] = cells, memory, places
        r["memory_size"] = cells_of(behaviour.remembers)
        r["places_size"] = behaviour.places_size(s, settings)
        r["searcher"] = behaviour.searcher
        r["watches"] = getattr(behaviour, "watches", False)
        r["routes"] = getattr(settings.targets, "routing", False)
        cells += settings.count * int(r["columns"])
        memory += int(r["memory_size"])
        places += int(r["places_size"])
    return cohorts, max(cells, 1), max(memory, 1), max(places, 1)


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
    cells = np.zeros((size, cells_of(columns)))
    at = 0
    for name, column in columns.items():
        source = given.get(name, column.default)
        if isinstance(source, int | float):
            cells[:, at : at + column.count] = source
        else:
            cells[:, at] = source.draw(generator(seed, f"{cohort}:{name}"), size)
        at += column.count
    return cells
