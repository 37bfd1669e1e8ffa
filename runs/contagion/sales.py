"""Fire sales: who holds the same assets is hit by what others must sell.

Greenwood, Landier, Thesmar, "Vulnerable banks", Journal of Financial Economics 115 (2015); Cont,
Schaanning, "Fire sales, indirect contagion and systemic stress testing" (2017). Holdings are
values, H[i, k] of asset k with entity i; prices start at one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from runs.contagion.networks import Floats, Vector, as_vector


@dataclass(frozen=True)
class FireSales:
    """Effects of a shock and the fire sales that follow.

    Attributes:
        entities: Names.
        assets: Names.
        direct: Loss of each entity by the shock alone, float64[n].
        sales: Sold by each of each asset, values, float64[n, k].
        prices: Change of each price by the sales, share, float64[k].
        indirect: Loss of each by the sales of all, float64[n].
        equity: Of each before, float64[n].
        rounds: Rounds of sales.
    """

    entities: list[Any]
    assets: list[Any]
    direct: Floats
    sales: Floats
    prices: Floats
    indirect: Floats
    equity: Floats
    rounds: int = 1

    @property
    def aggregate_vulnerability(self) -> float:
        """AV: what sales cost all together, as a share of their equity."""
        return float(self.indirect.sum() / self.equity.sum())

    @property
    def indirect_vulnerability(self) -> Floats:
        """IV: what sales cost each, as a share of its equity."""
        return self.indirect / self.equity

    def table(self) -> pd.DataFrame:
        """A row for each entity: equity, direct and indirect loss, sales."""
        columns = {
            "equity": self.equity, "direct": self.direct, "indirect": self.indirect,
            "sold": self.sales.sum(axis=1),
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(self.entities, name="entity"))


def _holdings(holdings: Any) -> tuple[Floats, list[Any], list[Any]]:
    if isinstance(holdings, pd.DataFrame):
        values, rows, columns = holdings.to_numpy(np.float64), holdings.index, holdings.columns
        names: tuple[list[Any], list[Any]] = list(rows), list(columns)
    else:
        values = np.asarray(holdings, np.float64)
        if values.ndim != 2:
            raise ValueError(f"holdings has shape {values.shape}; give a row for each entity")
        names = list(range(values.shape[0])), list(range(values.shape[1]))
    if not np.isfinite(values).all() or (values < 0.0).any():
        raise ValueError("holdings must hold finite values of 0 or more")
    return values, *names


def fire_sales(
    holdings: Any, equity: Vector, leverage_target: Vector, impact: Vector, shock: Vector
) -> FireSales:
    """One round of deleveraging back to targets: ``M' B A M f`` sold, ``A M L M' B A M f`` lost.

    A total assets, M portfolio weights, B target debt over equity, L price change per value sold,
    f the shock (Greenwood, Landier, Thesmar 2015, section 2). Each sells in proportion to what it
    holds; nobody sells more than it has.

    Args:
        holdings: H[i, k], value of asset k with entity i, float64[n, k]; or a data frame.
        equity: Of each entity.
        leverage_target: B, debt over equity that it returns to.
        impact: L, price change (share) per unit of value sold, of each asset.
        shock: f, return of each asset (negative: a loss).

    Raises:
        ValueError: If the numbers do not fit together.
    """
    values, entities, assets = _holdings(holdings)
    worth = as_vector(equity, entities, "equity")
    if (worth <= 0.0).any():
        raise ValueError("equity must be above 0; leave out who has failed")
    target = as_vector(leverage_target, entities, "leverage_target")
    per_value = as_vector(impact, assets, "impact")
    hit = as_vector(shock, assets, "shock", least=-1.0)
    total = values.sum(axis=1)
    weights = np.divide(values, total[:, None], out=np.zeros_like(values), where=total[:, None] > 0)
    direct = -values @ hit
    wanted = np.clip(target * direct, 0.0, total)
    sales = wanted[:, None] * weights
    prices = -np.minimum(per_value * sales.sum(axis=0), 1.0)
    return FireSales(entities, assets, direct, sales, prices, -values @ prices, worth)


# Wide: the balance sheets, the rule and the market of the paper.
def threshold_sales(
    holdings: Any,
    illiquid: Vector,
    equity: Vector,
    shock: Vector,
    depth: Vector,
    illiquid_shock: Vector = 0.0,
    highest_leverage: float = 33.0,
    target_leverage: float | None = None,
    floor: float = 0.5,
    rounds: int = 20,
) -> FireSales:
    """Sales of those whose leverage exceeds a bound, round by round, into a market of some depth.

    Cont, Schaanning 2017: entity i with marketable assets Pi and illiquid ones I has leverage
    ``(I + Pi) / E``; above the highest it sells the share of its marketable assets that brings it
    back to the target, ``Gamma = min((I + Pi - target E) / Pi, 1)``, in proportion. A price S falls
    by ``S (1 - B / S) (1 - exp(-q / d))`` when q is sold, B its floor and d the depth (their
    level-dependent impact). Who has no equity left has its portfolio liquidated.

    Args:
        holdings: Marketable assets, H[i, k], values; a matrix or a data frame.
        illiquid: Of each entity.
        equity: Of each.
        shock: Return of each marketable asset.
        depth: d of each, value.
        illiquid_shock: Return of the illiquid assets of each.
        highest_leverage: Bound (Basel III: 33).
        target_leverage: Leverage that they return to; default: 95 % of the bound.
        floor: B, share of the first price below which none falls.
        rounds: At most.

    Raises:
        ValueError: If the numbers do not fit together.
    """
    values, entities, assets = _holdings(holdings)
    worth = as_vector(equity, entities, "equity")
    fixed = as_vector(illiquid, entities, "illiquid")
    hit = as_vector(shock, assets, "shock", least=-1.0)
    deep = as_vector(depth, assets, "depth", least=1e-300)
    lost = as_vector(illiquid_shock, entities, "illiquid_shock", least=-1.0)
    target = 0.95 * highest_leverage if target_leverage is None else target_leverage
    if not 0.0 < target <= highest_leverage:
        raise ValueError(f"target_leverage is {target!r}; give up to {highest_leverage:g}")
    start, prices = values, 1.0 + hit
    units, fixed = values.copy(), fixed * (1.0 + lost)
    direct = -start @ hit - as_vector(illiquid, entities, "illiquid") * lost
    left = worth - direct
    sales, indirect, made = np.zeros_like(values), np.zeros(len(entities)), 0
    for _ in range(rounds):
        marketable = units @ prices
        over = (fixed + marketable > highest_leverage * left) & (marketable > 0.0)
        if not over.any():
            break
        made += 1
        gap = fixed + marketable - target * np.maximum(left, 0.0)
        part = np.where(over, np.clip(gap / np.where(over, marketable, 1.0), 0.0, 1.0), 0.0)
        part = np.where(over & (left <= 0.0), 1.0, part)
        sold = part[:, None] * units * prices
        least = np.minimum(floor, prices)
        fall = (prices - least) * (1.0 - np.exp(-sold.sum(axis=0) / deep))
        # What is sold goes at the mean of the prices before and after, the rest is marked down.
        cost = units @ fall - 0.5 * (part[:, None] * units) @ fall
        sales += sold
        units = units * (1.0 - part[:, None])
        prices = prices - fall
        indirect += cost
        left = left - cost
    change = prices - (1.0 + hit)
    return FireSales(entities, assets, direct, sales, change, indirect, worth, made)
