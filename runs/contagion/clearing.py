"""Clearing: what everybody pays when not everybody can pay all that is owed.

Eisenberg, Noe, "Systemic risk in financial systems", Management Science 47 (2001); with costs of
default Rogers, Veraart, "Failure and rescue in an interbank network", Management Science 59 (2013).
Symbols: L liabilities, L[i, j] what i owes j; Lbar their row sums; Pi = L / Lbar; e external
assets; p payments. Whoever can pays Lbar; who cannot pays ``alpha e + beta Pi' p``, all that it can
recover. The fixed points form a lattice: the greatest and the least are found here, each by solving
for those in default and looking who joins or leaves them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runs.contagion.networks import Floats, Vector, as_matrix, as_vector, named

ROUNDING = 1e-12
"""Relative gap up to which who lacks something counts as able to pay."""


def eisenberg_noe(liabilities: Any, external: Vector) -> Any:
    """Clearing payments of a network without default costs: the greatest clearing vector.

    Args:
        liabilities: L[i, j], what i owes j; a matrix, a data frame, or a graph.
        external: e, assets from outside the network, by node.

    Returns:
        p, what each node pays in all, float64[n]; by name where the network has names.

    Raises:
        ValueError: If the numbers make no network.
    """
    return rogers_veraart(liabilities, external, 1.0, 1.0)


def rogers_veraart(
    liabilities: Any, external: Vector, alpha: float, beta: float, least: bool = False
) -> Any:
    """Clearing payments of a network with default costs.

    Args:
        liabilities: L[i, j], what i owes j; a matrix, a data frame, or a graph.
        external: e, assets from outside the network, by node.
        alpha: Share of its external assets that a node in default recovers, 0 to 1.
        beta: Share of what others pay it that it recovers.
        least: Whether the least vector is wanted, not the greatest. Between the two lies what
            depends on belief alone.

    Returns:
        p, what each node pays in all, float64[n]; by name where the network has names.

    Raises:
        ValueError: If the numbers make no network, or a share is not in [0, 1].
    """
    matrix, names = as_matrix(liabilities, "liabilities")
    assets = as_vector(external, names, "external")
    for what, share in (("alpha", alpha), ("beta", beta)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{what} is {share!r}; give a share from 0 to 1")
    owed = matrix.sum(axis=1)
    parts = matrix / np.where(owed > 0.0, owed, 1.0)[:, None]  # of who owes nothing a row of 0
    solve = _from_below if least else _from_above
    return named(solve(parts, owed, assets, alpha, beta), names, liabilities)


def _able(parts: Floats, owed: Floats, assets: Floats, paid: Floats) -> Any:
    """Who could pay all that it owes with what it is paid."""
    return assets + parts.T @ paid >= owed * (1.0 - ROUNDING)


def _from_above(parts: Floats, owed: Floats, assets: Floats, alpha: float, beta: float) -> Floats:
    """The greatest vector: all pay in full, until it is found who cannot."""
    paid = owed.copy()
    failed = np.zeros(owed.size, bool)
    for _ in range(owed.size + 1):
        found = failed | ~_able(parts, owed, assets, paid)
        if (found == failed).all():
            return paid
        failed = found
        paid = _recovered(parts, owed, assets, failed, (alpha, beta), above=True)
    return paid


def _from_below(parts: Floats, owed: Floats, assets: Floats, alpha: float, beta: float) -> Floats:
    """The least vector: nobody pays, until it is found who can.

    Round by round payments rise towards it and never beyond. Those who can pay then can for good,
    so if solving for the rest gives payments that clear, they are the least that do.
    """
    paid = np.zeros_like(owed)
    while True:
        for _ in range(20):
            able = _able(parts, owed, assets, paid)
            inflow = parts.T @ paid
            recovered = np.minimum(alpha * assets + beta * inflow, owed)
            fresh = np.where(able, owed, recovered)
            rose = np.abs(fresh - paid).max(initial=0.0)
            paid = fresh
        failed = ~_able(parts, owed, assets, paid)
        found = _recovered(parts, owed, assets, failed, (alpha, beta), above=False)
        if (failed == ~_able(parts, owed, assets, found)).all():
            return found
        if rose <= 1e-15 * max(1.0, owed.max(initial=0.0)):
            return paid


def _recovered(
    parts: Floats,
    owed: Floats,
    assets: Floats,
    failed: Any,
    shares: tuple[float, float],
    above: bool,
) -> Floats:
    """Payments where some are in default: x = b + beta Pi' x among those, the rest pays in full.

    A ring of failed nodes that pay only each other, without loss, has many solutions. From above
    it pays as much as it may, from below nothing that nobody has brought in.
    """
    alpha, beta = shares
    paid = np.where(failed, 0.0, owed)
    if not failed.any():
        return paid
    among = np.flatnonzero(failed)
    flow = beta * parts[np.ix_(among, among)].T
    brought = alpha * assets[among] + beta * (parts.T @ paid)[among]
    system = np.eye(among.size) - flow
    try:
        found = np.linalg.solve(system, brought)
        sound = np.abs(system @ found - brought).max() <= 1e-9 * max(1.0, np.abs(brought).max())
        sound = sound and np.linalg.cond(system) < 1e12 and (found >= -1e-9).all()
    except np.linalg.LinAlgError:
        sound = False
    if not sound:
        found = _by_rounds(flow, brought, owed[among], above)
    paid[among] = np.maximum(found, 0.0)
    return paid


def _by_rounds(flow: Floats, brought: Floats, owed: Floats, above: bool) -> Floats:
    """The same where the system has no one solution: round by round from one end."""
    found = owed.copy() if above else np.zeros_like(owed)
    for _ in range(100_000):
        fresh = np.minimum(brought + flow @ found, owed)
        if np.abs(fresh - found).max() <= 1e-15 * max(1.0, owed.max()):
            return fresh
        found = fresh
    return found


def losses_of(liabilities: Any, external: Vector, payments: Any) -> Any:
    """Unpaid claims and equity of each node after clearing.

    Args:
        liabilities: As of `rogers_veraart`.
        external: Likewise.
        payments: What that returned.

    Returns:
        (shortfall, equity), float64[n] each; by name where the network has names. Equity is
        what is left beyond what is owed, 0 of whoever is in default.
    """
    matrix, names = as_matrix(liabilities, "liabilities")
    assets = as_vector(external, names, "external")
    paid = as_vector(payments, names, "payments")
    owed = matrix.sum(axis=1)
    parts = matrix / np.where(owed > 0.0, owed, 1.0)[:, None]  # of who owes nothing a row of 0
    shortfall = matrix.sum(axis=0) - parts.T @ paid
    equity = np.where(paid < owed * (1.0 - ROUNDING), 0.0, assets + parts.T @ paid - paid)
    return named(shortfall, names, liabilities), named(equity, names, liabilities)
