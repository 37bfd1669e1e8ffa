"""Queues at a bank: when leaving is right because others leave.

Diamond, Dybvig, "Bank runs, deposit insurance, and liquidity", Journal of Political Economy 91
(1983): who withdraws early is promised r1 while there is something; what stays earns R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runs.contagion.networks import Floats


def run_threshold(long_return: float, early: float) -> float:
    """Withdrawals beyond which waiting pays less than leaving: (R - r1) / (r1 (R - 1)).

    Who waits gets ``R (1 - r1 f) / (1 - f)`` if a share f leaves; at the threshold that is r1.

    Args:
        long_return: R, of what stays, above 1.
        early: r1, promised to who leaves, 1 to R.

    Raises:
        ValueError: If nobody would wait, or none would leave.
    """
    if not long_return > 1.0:
        raise ValueError(f"long_return is {long_return!r}; give more than 1")
    if not 1.0 <= early <= long_return:
        raise ValueError(f"early is {early!r}; give 1 to {long_return:g}")
    return (long_return - early) / (early * (long_return - 1.0))


def freeze_threshold(utilisation: float) -> float:
    """Share of a lending market's deposits that can be withdrawn before its cash is out: 1 - U.

    Raises:
        ValueError: If it is no share.
    """
    if not 0.0 <= utilisation <= 1.0:
        raise ValueError(f"utilisation is {utilisation!r}; give a share from 0 to 1")
    return 1.0 - utilisation


@dataclass(frozen=True)
class Queue:
    """What everybody gets, in the order in which they stand.

    Attributes:
        paid: Per unit of deposit, float64[n].
        liquidated: Share of the long assets that had to be sold.
        closed: Place in the queue of the first who is not paid in full; n: all are.
    """

    paid: Floats
    liquidated: float
    closed: int


def diamond_dybvig(
    deposits: Floats, leaves: Floats, early: float, long_return: float, salvage: float = 1.0
) -> Queue:
    """Serve a queue: leavers are paid in order, stayers share what is left at the end.

    Args:
        deposits: Of each, in the order of the queue, float64[n].
        leaves: Whether each leaves (0 or 1), or what share of it does.
        early: r1, promised per unit to who leaves.
        long_return: R, that what stays invested has earned at the end.
        salvage: What a unit of the investment gives when it is sold early.

    Raises:
        ValueError: If the numbers make no queue.
    """
    amounts, going = np.asarray(deposits, np.float64), np.asarray(leaves, np.float64)
    if amounts.shape != going.shape or amounts.ndim != 1 or (amounts < 0.0).any():
        raise ValueError("deposits and leaves must be as long as each other, and 0 or more")
    if ((going < 0.0) | (going > 1.0)).any() or not salvage > 0.0:
        raise ValueError("leaves must be shares from 0 to 1, and salvage above 0")
    total = float(amounts.sum())
    cash = total * salvage
    wanted = amounts * going * early
    before = np.concatenate(([0.0], np.cumsum(wanted)[:-1])) if wanted.size else wanted
    paid = np.clip(cash - before, 0.0, wanted)
    left = (cash - float(paid.sum())) / salvage * long_return
    stay = amounts * (1.0 - going)
    staying = float(stay.sum())
    rest = left / staying if staying > 0.0 else 0.0
    short = np.flatnonzero(paid < wanted * (1.0 - 1e-12))
    each = np.divide(paid + stay * rest, amounts, out=np.zeros_like(amounts), where=amounts > 0.0)
    sold = float(paid.sum()) / cash if cash > 0.0 else 0.0
    return Queue(each, sold, int(short[0]) if short.size else amounts.size)
