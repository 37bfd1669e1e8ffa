"""Distress along claims: default by default (Furfine), before it (DebtRank), and by value (NEVA).

All take claims, A[i, j] what i has with j, and equities. Relative loss of equity is h in [0, 1].
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import ndtr

from runs.contagion.networks import Floats, Vector, as_matrix, as_vector, named

ROUNDS = 100_000


def _balance(
    external_assets: Vector, external_liabilities: Vector, interbank: Any
) -> tuple[Floats, list[Any], Floats, Floats]:
    """Claims, names, external assets and equity of a banking system."""
    claims, names = as_matrix(interbank, "interbank")
    assets = as_vector(external_assets, names, "external_assets")
    debts = as_vector(external_liabilities, names, "external_liabilities")
    equity = assets - debts + claims.sum(axis=1) - claims.sum(axis=0)
    return claims, names, assets, equity


def debtrank(
    external_assets: Vector,
    external_liabilities: Vector,
    interbank: Any,
    shock: Vector,
    propagation: Literal["linear", "once", "threshold"] = "linear",
    threshold: float = 1.0,
) -> Any:
    """Losses of equity when distress spreads along claims before any default (DebtRank).

    Bardoscia, Battiston, Caccioli, Caldarelli, "DebtRank: a microscopic foundation for shock
    propagation", PLoS ONE 10 (2015): with Lambda[i, j] = A[i, j] / E_i and h the relative loss,
    ``h_i(t+1) = min(1, h_i(t) + sum_j Lambda[i, j] (h_j(t) - h_j(t-1)))``. It amplifies without
    bound but for the caps where the largest eigenvalue of Lambda exceeds 1; below it is
    ``(I - Lambda)^-1 h(1)`` until a cap binds.

    Args:
        external_assets: Of each node, outside the network.
        external_liabilities: Likewise.
        interbank: A[i, j], the claim of i on j; a matrix, a data frame, or a graph.
        shock: Loss of external assets of each.
        propagation: "linear"; "once": each node passes its distress on in one round only
            (Battiston et al., "DebtRank: too central to fail?", Scientific Reports 2, 2012);
            "threshold": a node passes it on only once h has reached the threshold.
        threshold: For that; 1: only who fails does (Bardoscia et al. 2015, section "Furfine").

    Returns:
        h, loss of equity relative to equity, float64[n]; by name where the network has names. A
        node without equity has failed already: 1.

    Raises:
        ValueError: If the numbers make no network.
    """
    claims, names, _, equity = _balance(external_assets, external_liabilities, interbank)
    hit = as_vector(shock, names, "shock")
    alive = equity > 0.0
    worth = np.where(alive, equity, 1.0)
    pass_on = np.where(alive[:, None], claims / worth[:, None], 0.0)
    first = np.where(alive, np.minimum(hit / worth, 1.0), 1.0)
    # Who had failed before is what the books say; only what is new is passed on.
    was = np.where(alive, 0.0, 1.0)
    if propagation == "once":
        return named(_once(pass_on, first, was), names, interbank)
    found, told = first.copy(), was.copy()
    for _ in range(ROUNDS):
        now = found.copy()
        if propagation == "threshold":
            now = np.where(found >= threshold * (1.0 - 1e-12), found, told)
        news = now - told
        fresh = np.minimum(found + pass_on @ news, 1.0)
        told = now
        if np.abs(fresh - found).max(initial=0.0) <= 1e-15:
            return named(fresh, names, interbank)
        found = fresh
    return named(found, names, interbank)


def _once(pass_on: Floats, first: Floats, was: Floats) -> Floats:
    """Each node passes on what it has lost in the round in which it is first hit."""
    found, active = first.copy(), (first > 0.0) & (was == 0.0)
    silent = was > 0.0
    while active.any():
        fresh = np.minimum(found + pass_on @ np.where(active, found, 0.0), 1.0)
        silent |= active
        active = (fresh > 0.0) & ~silent
        found = fresh
    return found


def furfine(interbank: Any, equity: Vector, failed: Any, loss_given_default: float = 1.0) -> Any:
    """Sequential defaults after initial failures (Furfine).

    Furfine, "Interbank exposures: quantifying the risk of contagion", Journal of Money, Credit
    and Banking 35 (2003): a node fails once what it loses on failed ones exceeds its equity.

    Args:
        interbank: A[i, j], the claim of i on j; a matrix, a data frame, or a graph.
        equity: Of each node.
        failed: Nodes that fail first: names, or a boolean for each.
        loss_given_default: Share of a claim that is lost.

    Returns:
        Round in which each node fails, int64[n]; 0: first; -1: not at all.

    Raises:
        ValueError: If the numbers make no network, or there is no such node.
    """
    claims, names = as_matrix(interbank, "interbank")
    worth = as_vector(equity, names, "equity", least=-np.inf)
    if not 0.0 <= loss_given_default <= 1.0:
        raise ValueError(f"loss_given_default is {loss_given_default!r}; give a share from 0 to 1")
    given = np.asarray(list(failed))
    if given.dtype == bool:
        down = given.copy()
    else:
        strange = [node for node in failed if node not in names]
        if strange:
            raise ValueError(f"there is no node {strange[0]!r} to fail")
        down = np.array([name in set(failed) for name in names])
    rounds = np.where(down, 0, -1)
    for k in range(1, len(names) + 1):
        lost = loss_given_default * claims[:, down].sum(axis=1)
        fresh = ~down & (lost > worth)
        if not fresh.any():
            break
        rounds[fresh] = k
        down |= fresh
    return named(rounds, names, interbank)


# Wide: a balance sheet, and how its claims are valued.
def neva(
    external_assets: Vector,
    external_liabilities: Vector,
    interbank: Any,
    volatility: Vector = 0.0,
    maturity: float = 1.0,
    recovery: float = 1.0,
    shock: Vector = 0.0,
) -> Any:
    """Equities when claims are valued by their debtors' expected ability to pay (NEVA).

    Barucca, Bardoscia, Caccioli, D'Errico, Visentin, Caldarelli, Battiston, "Network valuation in
    financial systems", Mathematical Finance 30 (2020): E_i = a_i - d_i + sum_j A[i, j] V(E_j) -
    sum_j A[j, i], its greatest solution. V is what a unit of j's debt is worth if its external
    assets follow a geometric Brownian motion without drift until maturity (their section 4.2, as
    Merton 1974): ``V = 1 - PD + beta E[recovery; default]``. Without volatility and with full
    recovery it is that of Eisenberg and Noe's.

    Args:
        external_assets: a, of each node.
        external_liabilities: d, of each; paid before what is owed within the network.
        interbank: A[i, j], the claim of i on j; a matrix, a data frame, or a graph.
        volatility: Of external assets, per root year.
        maturity: Years.
        recovery: beta, share that is recovered of what a node in default has.
        shock: Loss of external assets of each.

    Returns:
        E, float64[n]; by name where the network has names; negative of whoever fails.

    Raises:
        ValueError: If the numbers make no network.
    """
    claims, names, assets, _ = _balance(external_assets, external_liabilities, interbank)
    debts = as_vector(external_liabilities, names, "external_liabilities")
    sigma = as_vector(volatility, names, "volatility") * np.sqrt(maturity)
    assets = np.maximum(assets - as_vector(shock, names, "shock"), 0.0)
    owed = claims.sum(axis=0)
    equity = assets - debts + claims.sum(axis=1) - owed
    for _ in range(ROUNDS):
        worth = value_of_debt(equity, assets, owed, sigma, recovery)
        fresh = assets - debts + claims @ worth - owed
        if np.abs(fresh - equity).max(initial=0.0) <= 1e-13 * max(1.0, np.abs(assets).max()):
            return named(fresh, names, interbank)
        equity = fresh
    return named(equity, names, interbank)


def value_of_debt(
    equity: Floats, assets: Floats, owed: Floats, sigma: Floats, recovery: float
) -> Floats:
    """What a unit of each node's debt is worth: 1 - PD + beta E[(E + dA + p) / p; default].

    With A the external assets, ``log(A_T / A)`` normal with mean -s^2/2 and deviation s, a node
    fails if A_T < A - E, and then pays ``(A_T - (A - E - p)) / p`` of each unit of the p it owes
    within the network, if that is positive.

    Args:
        equity: E, float64[n].
        assets: A, float64[n].
        owed: p, float64[n].
        sigma: s, float64[n].
        recovery: beta.
    """
    floor = assets - equity  # below which it fails
    nothing = floor - owed  # below which it pays nothing
    found = np.ones_like(equity)
    for i in range(equity.size):
        if owed[i] <= 0.0:
            continue
        if sigma[i] <= 0.0 or assets[i] <= 0.0:
            paid = min(max((assets[i] - nothing[i]) / owed[i], 0.0), 1.0)
            found[i] = 1.0 if equity[i] >= 0.0 else recovery * paid
            continue
        fails, sure = (_below(b, assets[i], sigma[i]) for b in (floor[i], max(nothing[i], 0.0)))
        # E[A_T; lost < A_T < floor] of a lognormal, and the chance of that.
        mass, chance = fails[1] - sure[1], fails[0] - sure[0]
        recovered = (mass - nothing[i] * chance) / owed[i]
        found[i] = 1.0 - fails[0] + recovery * recovered
    return np.clip(found, 0.0, 1.0)


def _below(level: float, assets: float, sigma: float) -> tuple[float, float]:
    """(Chance, mean mass) of a lognormal of mean `assets` below a level."""
    if level <= 0.0:
        return 0.0, 0.0
    at = np.log(level / assets) / sigma
    return float(ndtr(at + 0.5 * sigma)), float(assets * ndtr(at - 0.5 * sigma))


def amplification(interbank: Any, equity: Vector) -> float:
    """Largest eigenvalue of the leverage matrix A[i, j] / E_i: above 1 linear distress amplifies.

    Raises:
        ValueError: If the numbers make no network, or a node has no equity.
    """
    claims, names = as_matrix(interbank, "interbank")
    worth = as_vector(equity, names, "equity")
    if (worth <= 0.0).any():
        node = names[int(np.flatnonzero(worth <= 0.0)[0])]
        raise ValueError(f"{node!r} has no equity; it has failed already")
    if not claims.size:
        return 0.0
    return float(np.abs(np.linalg.eigvals(claims / worth[:, None])).max())
