"""Contagion on random networks: how often a small shock becomes a large one, and how large.

Gai, Kapadia, "Contagion in financial networks", Proceedings of the Royal Society A 466 (2010),
along claims; Caccioli, Shrestha, Moore, Farmer, "Stability analysis of financial contagion due to
overlapping portfolios", Journal of Banking and Finance 46 (2014), along common assets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runs.contagion.networks import Floats

SYSTEMIC = 0.05
"""Share of banks that fail above which contagion counts as systemic."""


@dataclass(frozen=True)
class Extents:
    """Shares of banks that failed, one of each network drawn.

    Attributes:
        failed: float64[networks].
        systemic: Share above which contagion counts.
    """

    failed: Floats
    systemic: float = SYSTEMIC

    @property
    def frequency(self) -> float:
        """How often contagion is systemic."""
        return float((self.failed > self.systemic).mean())

    @property
    def extent(self) -> float:
        """Share that fails where it is; NaN where it never is."""
        there = self.failed[self.failed > self.systemic]
        return float(there.mean()) if there.size else float("nan")

    @property
    def error(self) -> float:
        """Standard error of the frequency."""
        chance = self.frequency
        return float(np.sqrt(chance * (1.0 - chance) / self.failed.size))


# Wide: the parameters of the paper.
def gai_kapadia(
    degree: float,
    banks: int = 1000,
    interbank: float = 0.2,
    capital: float = 0.04,
    recovery: float = 0.0,
    networks: int = 1000,
    rng: int | np.random.Generator = 1,
    systemic: float = SYSTEMIC,
) -> Extents:
    """Contagion through claims on a Poisson network, after one bank has failed.

    Each bank's interbank assets are a share of its total, spread evenly over its debtors; it fails
    once what it loses on failed debtors exceeds its capital.

    Args:
        degree: z, mean number of debtors (and of creditors).
        banks: Of a network.
        interbank: Interbank assets over total assets.
        capital: Over total assets.
        recovery: Share of a claim on a failed bank that comes back.
        networks: Drawn.
        rng: Seed, or a generator.
        systemic: Share of banks above which contagion counts.

    Raises:
        ValueError: If a number makes no network.
    """
    if banks < 2 or not 0.0 <= degree <= banks - 1:
        raise ValueError(f"degree {degree!r} of {banks} banks; give 0 to {banks - 1}")
    random = np.random.default_rng(rng)
    chance, loss = degree / (banks - 1), (1.0 - recovery) * interbank
    failed = np.zeros(networks)
    for n in range(networks):
        debtors, creditors, count = _draw(random, banks, chance)
        share = np.divide(loss, count, out=np.zeros(banks), where=count > 0)
        most = capital / np.where(share > 0.0, share, np.inf)  # failed debtors that it bears
        failed[n] = _cascade(debtors, creditors, most, int(random.integers(banks))) / banks
    return Extents(failed, systemic)


def _draw(
    random: np.random.Generator, banks: int, chance: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Links of a directed random graph, sorted by debtor.

    Returns:
        (first link of each debtor int64[banks + 1], creditor of each link, debtors of each bank).
    """
    count = int(random.binomial(banks * (banks - 1), chance))
    links = random.choice(banks * (banks - 1), count, replace=False, shuffle=False)
    debtor, creditor = np.divmod(np.sort(links), banks - 1)
    creditor = creditor + (creditor >= debtor)  # nobody owes itself
    first = np.searchsorted(debtor, np.arange(banks + 1))
    return first, creditor, np.bincount(creditor, minlength=banks)


def _cascade(
    first: npt.NDArray[np.int64], creditors: npt.NDArray[np.int64], most: Floats, start: int
) -> int:
    """How many fail, when a bank bears no more than `most` failed debtors."""
    down = np.zeros(most.size, bool)
    down[start] = True
    fresh = [start]
    hit = np.zeros(most.size, np.int64)
    while fresh:
        reached: list[int] = []
        for bank in fresh:
            for other in creditors[first[bank] : first[bank + 1]]:
                hit[other] += 1
                if not down[other] and hit[other] > most[other] * (1.0 + 1e-12):
                    down[other] = True
                    reached.append(int(other))
        fresh = reached
    return int(down.sum())


# Wide: the parameters of the paper.
def overlapping_portfolios(
    diversification: float,
    leverage: float,
    banks: int = 1000,
    assets: int = 1000,
    market: float = 0.8,
    steepness: float = 1.0536,
    networks: int = 100,
    rng: int | np.random.Generator = 1,
    systemic: float = SYSTEMIC,
) -> Extents:
    """Contagion through common assets, after one asset has lost all of its value.

    Each bank spreads the marketable share of its assets evenly over those that it holds; it fails
    once its loss exceeds its equity, and sells all: the price of an asset of which a share x has
    been sold is ``exp(-a x)`` (Caccioli et al. 2014: a = 1.0536, a tenth sold costs a tenth).

    Args:
        diversification: mu_b, mean number of assets that a bank holds.
        leverage: Assets over equity.
        banks: Of a network.
        assets: Of it.
        market: Marketable assets over total assets.
        steepness: a.
        networks: Drawn.
        rng: Seed, or a generator.
        systemic: Share of banks above which contagion counts.

    Raises:
        ValueError: If a number makes no network.
    """
    if not 0.0 < diversification <= assets:
        raise ValueError(f"diversification is {diversification!r}; give up to {assets}")
    if leverage < 1.0:
        raise ValueError(f"leverage is {leverage!r}; give assets over equity, 1 or more")
    random = np.random.default_rng(rng)
    failed = np.zeros(networks)
    for n in range(networks):
        holds = random.random((banks, assets)) < diversification / assets
        count = holds.sum(axis=1)
        part = np.divide(market, count, out=np.zeros(banks), where=count > 0)
        held = holds * part[:, None]
        out = held.sum(axis=0)
        prices = np.ones(assets)
        prices[int(random.integers(assets))] = 0.0
        shocked = prices.copy()
        down = np.zeros(banks, bool)
        while True:
            fresh = ~down & (held @ (1.0 - prices) > 1.0 / leverage)
            if not fresh.any():
                break
            down |= fresh
            sold = np.divide(held[down].sum(axis=0), out, out=np.zeros(assets), where=out > 0)
            prices = shocked * np.exp(-steepness * sold)
        failed[n] = down.mean()
    return Extents(failed, systemic)
