"""Who acts: one behaviour per file."""

from __future__ import annotations

from agents.arbitrageur import Arbitrageur
from agents.base import Behaviour, Column, MarketAgent
from agents.lender import Lender
from agents.leveraged_borrower import LeveragedBorrower
from agents.liquidator import Liquidator
from agents.liquidity_provider import LiquidityProvider
from agents.noise_trader import NoiseTrader
from sim.registry import register

__all__ = [
    "Arbitrageur",
    "Behaviour",
    "Column",
    "Lender",
    "LeveragedBorrower",
    "Liquidator",
    "LiquidityProvider",
    "MarketAgent",
    "NoiseTrader",
]

register("noise_trader", NoiseTrader)
register("arbitrageur", Arbitrageur)
register("liquidity_provider", LiquidityProvider)
register("leveraged_borrower", LeveragedBorrower)
register("liquidator", Liquidator)
register("lender", Lender)
