"""The network that a market derives, as the literature's models take it, and what they foretell.

Whoever passes everything on is looked through: a pool or a lending market owes its holders all
that it has, so its equity is nothing, and a model in which equity absorbs losses would have it fail
at the first cent. What its holders have with it is then their part of what it holds and is owed,
asset by asset: who has deposited dollars has a part of the dollars lent, not of the ether pledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from runs.contagion.clearing import losses_of, rogers_veraart
from runs.contagion.distress import debtrank, furfine, neva
from runs.contagion.networks import Floats
from runs.contagion.sales import fire_sales
from sim.balance_sheets import Entities, read_entities
from sim.build import underlying
from sim.names import VENUE
from sim.units import YEAR
from sim.venue import ONE_PER_CENT

if TYPE_CHECKING:
    from sim.market import Market

THIN = 1e-6
"""Gap between what an entity has and owes of an asset, relative, up to which it passes it on."""


@dataclass(frozen=True)
class System:
    """Balance sheets of a market's entities, in the numeraire.

    Attributes:
        entities: Names.
        assets: Names of tokens that stand for nothing else.
        owed: A[i, j, k], what i has with j in terms of asset k, float64[n, n, assets].
        held: H[i, k], value of what i holds of asset k, float64[n, assets].
        impact: Fall of each asset's price (share) per unit of value sold outside.
        volatility: Of each asset, per root year.
    """

    entities: list[str]
    assets: list[str]
    owed: Floats
    held: Floats
    impact: pd.Series
    volatility: pd.Series

    @cached_property
    def claims(self) -> pd.DataFrame:
        """A[i, j], what i has with j."""
        return pd.DataFrame(self.owed.sum(axis=2), index=self.entities, columns=self.entities)

    @cached_property
    def holdings(self) -> pd.DataFrame:
        """H[i, k]."""
        return pd.DataFrame(self.held, index=self.entities, columns=self.assets)

    @property
    def external_assets(self) -> pd.Series:
        """What each holds that nobody owes."""
        return self.holdings.sum(axis=1)

    @property
    def equity(self) -> pd.Series:
        """What each has less what it owes."""
        return self.external_assets + self.claims.sum(axis=1) - self.claims.sum(axis=0)

    def looked_through(self) -> System:
        """The same without those who pass everything on."""
        owed, held = self.owed.copy(), self.held.copy()
        stays = np.ones(len(self.entities), bool)
        owes = owed.sum(axis=0)  # by debtor and asset; kept, as a column lies all over memory
        for x in range(len(self.entities)):
            if not _passes_on(owed[x], held[x], owes[x]):
                continue
            total = owed[:, x].sum(axis=0)  # by asset
            part = np.divide(owed[:, x], total, out=np.zeros_like(held), where=total > 0.0)
            held += part * held[x]
            # Few have anything with it, and it with few.
            to, by = np.flatnonzero(part.any(axis=1)), np.flatnonzero(owed[x].any(axis=1))
            owed[np.ix_(to, by)] += part[to][:, None, :] * owed[x, by][None, :, :]
            owed[x], owed[:, x], held[x] = 0.0, 0.0, 0.0
            stays[x] = False
            owes = owed.sum(axis=0)
        for i in range(len(self.entities)):
            owed[i, i] = 0.0  # what one has with oneself is nothing
        names = [name for name, there in zip(self.entities, stays, strict=True) if there]
        owed, held = owed[stays][:, stays], held[stays]
        return System(names, self.assets, owed, held, self.impact, self.volatility)


def _passes_on(claims: Floats, held: Floats, owes: Floats) -> bool:
    """Whether an entity owes, of every asset, what it has of it."""
    if owes.sum() <= 0.0:
        return False
    has = held + claims.sum(axis=0)
    scale = max(float(has.sum()), float(owes.sum()))
    return bool((np.abs(has - owes) <= THIN * scale).all())


def derive(market: Market, by: str = "group") -> System:
    """Express a market's balance sheets as matrices.

    Args:
        market: As it stands.
        by: "group" or "account", as of `Market.exposure`.
    """
    entities = read_entities(market, by)
    parts = _standing_for(market)
    own = [t for t in range(len(parts)) if parts[t, t] == 1.0]
    names = entities.names
    row = {name: e for e, name in enumerate(names)}
    owed = np.zeros((len(names), len(names), len(own)))
    held = np.zeros((len(names), len(own)))
    for t, issuer in enumerate(market.ledger.issuers.values()):
        worth = entities.worth[:, t]
        value = worth[:, None] * parts[t, own]
        if not issuer:
            held += value
        elif issuer in row:
            owed[:, row[issuer]] += value.clip(min=0.0)
            owed[row[issuer]] -= value.clip(max=0.0)
    _add_claims(market, entities, parts[:, own], owed)
    kept = [e for e, name in enumerate(names) if name != VENUE]
    for e in kept:
        owed[e, e] = 0.0
    tokens = [market.ledger.tokens[t] for t in own]
    impact, volatility = pd.Series(0.0, index=tokens), pd.Series(0.0, index=tokens)
    for name, asset in zip(market.venue.names, market.world.assets, strict=True):
        depth = float(asset["units"]) * ONE_PER_CENT * float(asset["price"])
        impact[name] = 0.01 / max(depth, 1e-300)
        seconds = market.setup.block.seconds
        volatility[name] = float(np.sqrt(asset["seen_variance"] * YEAR / seconds))
    return System(
        [names[e] for e in kept], tokens, owed[np.ix_(kept, kept)], held[kept], impact, volatility
    )


def _standing_for(market: Market) -> Floats:
    """Part of each token's value that lies in each other token, float64[tokens, tokens]."""
    values = market.world.values
    found = np.zeros((values.size, values.size))
    for t in range(values.size):
        one = np.zeros(values.size)
        one[t] = 1.0
        behind = underlying(market.world, one) * np.abs(values)
        total = behind.sum()
        found[t] = behind / total if total else one
    return found


def _add_claims(market: Market, entities: Entities, parts: Floats, owed: Floats) -> None:
    """Add claims that are no tokens.

    Args:
        market: As it stands.
        entities: Everybody.
        parts: float64[tokens, assets], of each token's value in each asset.
        owed: float64[entities, entities, assets], in place.
    """
    row = {name: e for e, name in enumerate(entities.names)}
    for handle in market.protocols.values():
        owners, tokens, amounts = handle.owed()
        if owners.size and handle.name in row:
            worth = (amounts * market.world.values[tokens]) @ parts[tokens]
            np.add.at(owed[:, row[handle.name]], entities.of[owners], worth)


def foretold(system: System, shock: Mapping[str, float], years: float = 1 / 365) -> pd.DataFrame:
    """Losses of each entity after a shock, as predicted by each model from the literature.

    Args:
        system: As `derive` reads it; who passes everything on is looked through.
        shock: Return of each asset that is shocked.
        years: Until debts are due, for values under uncertainty.

    Returns:
        Losses of equity in the numeraire, a row for each entity, a column for each model; "direct"
        is what its own holdings lose.
    """
    s = system.looked_through()
    returns = pd.Series(shock).reindex(s.holdings.columns).fillna(0.0)
    direct = -(s.holdings @ returns)
    assets, equity = s.external_assets, s.equity
    able = equity > 0.0
    found = pd.DataFrame({"direct": direct})
    owed = s.claims.T
    for name, share in (("eisenberg_noe", 1.0), ("rogers_veraart", 0.9)):
        before = losses_of(owed, assets, rogers_veraart(owed, assets, share, share))[1]
        left = assets - direct
        found[name] = before - losses_of(owed, left, rogers_veraart(owed, left, share, share))[1]
    relative = debtrank(assets, 0.0, s.claims, direct.clip(lower=0.0))
    found["debtrank"] = relative * equity.clip(lower=0.0)
    failed = [n for n in s.entities if able[n] and direct[n] >= equity[n]]
    rounds = furfine(s.claims, equity - direct, failed)
    down = rounds >= 0
    found["furfine"] = (direct + s.claims.loc[:, down].sum(axis=1)).clip(upper=equity.clip(lower=0))
    sigma = _volatility(s)
    unsure = [neva(assets, 0.0, s.claims, sigma, years, shock=h)
              for h in (0.0, direct.clip(lower=0.0))]  # fmt: skip
    found["neva"] = unsure[0] - unsure[1]
    lever = s.claims.sum(axis=0)[able] / equity[able]
    sales = fire_sales(s.holdings[able], equity[able], lever, s.impact, returns)
    held = s.holdings @ pd.Series(-sales.prices, index=s.holdings.columns)
    found["fire_sales"] = direct + held
    return found


def _volatility(s: System) -> pd.Series:
    """Of what each holds, per root year, as if all moved together."""
    total = s.holdings.sum(axis=1)
    return ((s.holdings @ s.volatility) / total.where(total > 0.0, 1.0)).clip(lower=0.0)


def score(told: pd.DataFrame, simulated: pd.Series, least: float = 0.0) -> pd.DataFrame:
    """Score how well models predict who loses how much.

    Args:
        told: Losses by entity and model, as `foretold` says.
        simulated: Losses by entity.
        least: Loss from which an entity counts as hurt, numeraire.

    Returns:
        A row for each model: ``rank`` (Spearman's correlation), ``size`` (all that it says is lost
        over all that is), ``missed`` (share of the hurt of whom it says less than a tenth of what
        they lose), ``spared`` (share of those whom it has hurt that are not).
    """
    names = [name for name in told.index if name in simulated.index]
    lost = simulated.reindex(names)
    hurt = lost > least
    rows = {}
    for model, column in told.items():
        said = column.reindex(names)
        same = said.nunique() < 2 or lost.nunique() < 2
        rank = np.nan if same else float(stats.spearmanr(said, lost).statistic)
        named = said > max(least, 1e-9)
        rows[str(model)] = {
            "rank": rank,
            "size": float(said.sum() / lost.sum()) if lost.sum() else np.nan,
            "missed": float((said[hurt] < 0.1 * lost[hurt]).mean()) if hurt.any() else np.nan,
            "spared": float((~hurt[named]).mean()) if named.any() else np.nan,
        }
    return pd.DataFrame(rows).T
