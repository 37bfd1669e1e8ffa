"""Who acts: one behaviour per file."""

from __future__ import annotations

from agents.allocator import Allocator
from agents.arbitrageur import Arbitrageur
from agents.band_borrower import BandBorrower
from agents.base import Behaviour, Column, MarketAgent
from agents.coin_holder import CoinHolder
from agents.cyclic_arbitrageur import CyclicArbitrageur
from agents.depositor import Depositor
from agents.governor import Governor
from agents.hedged_provider import HedgedProvider
from agents.insured_lender import InsuredLender
from agents.just_in_time_provider import JustInTimeProvider
from agents.keeper import Keeper
from agents.lender import Lender
from agents.leveraged_borrower import LeveragedBorrower
from agents.leveraged_fund import LeveragedFund
from agents.liquidator import Liquidator
from agents.liquidity_provider import LiquidityProvider
from agents.looper import Looper
from agents.market_maker import MarketMaker
from agents.momentum_trader import MomentumTrader
from agents.noise_trader import NoiseTrader
from agents.outside_trader import OutsideTrader
from agents.pool_drainer import PoolDrainer
from agents.queue_arbitrageur import QueueArbitrageur
from agents.range_provider import RangeProvider
from agents.rebalancer import Rebalancer
from agents.redeemer import Redeemer
from agents.refinancer import Refinancer
from agents.risk_steward import RiskSteward
from agents.sandwich_attacker import SandwichAttacker
from agents.sentiment_trader import SentimentTrader
from agents.stability_depositor import StabilityDepositor
from agents.trove_owner import TroveOwner
from agents.underwriter import Underwriter
from agents.value_fund import ValueFund
from agents.vault_arbitrageur import VaultArbitrageur
from agents.vault_owner import VaultOwner
from agents.whale import Whale
from agents.yield_migrant import YieldMigrant
from sim.registry import register

__all__ = [
    "Allocator",
    "Arbitrageur",
    "BandBorrower",
    "Behaviour",
    "CoinHolder",
    "Column",
    "CyclicArbitrageur",
    "Depositor",
    "Governor",
    "HedgedProvider",
    "InsuredLender",
    "JustInTimeProvider",
    "Keeper",
    "Lender",
    "LeveragedBorrower",
    "LeveragedFund",
    "Liquidator",
    "LiquidityProvider",
    "Looper",
    "MarketAgent",
    "MarketMaker",
    "MomentumTrader",
    "NoiseTrader",
    "OutsideTrader",
    "PoolDrainer",
    "QueueArbitrageur",
    "RangeProvider",
    "Rebalancer",
    "Redeemer",
    "Refinancer",
    "RiskSteward",
    "SandwichAttacker",
    "SentimentTrader",
    "StabilityDepositor",
    "TroveOwner",
    "Underwriter",
    "ValueFund",
    "VaultArbitrageur",
    "VaultOwner",
    "Whale",
    "YieldMigrant",
]

register("allocator", Allocator)
register("arbitrageur", Arbitrageur)
register("band_borrower", BandBorrower)
register("coin_holder", CoinHolder)
register("cyclic_arbitrageur", CyclicArbitrageur)
register("depositor", Depositor)
register("governor", Governor)
register("hedged_provider", HedgedProvider)
register("insured_lender", InsuredLender)
register("just_in_time_provider", JustInTimeProvider)
register("keeper", Keeper)
register("lender", Lender)
register("leveraged_borrower", LeveragedBorrower)
register("leveraged_fund", LeveragedFund)
register("value_fund", ValueFund)
register("liquidator", Liquidator)
register("liquidity_provider", LiquidityProvider)
register("market_maker", MarketMaker)
register("looper", Looper)
register("momentum_trader", MomentumTrader)
register("noise_trader", NoiseTrader)
register("outside_trader", OutsideTrader)
register("pool_drainer", PoolDrainer)
register("queue_arbitrageur", QueueArbitrageur)
register("range_provider", RangeProvider)
register("rebalancer", Rebalancer)
register("redeemer", Redeemer)
register("refinancer", Refinancer)
register("risk_steward", RiskSteward)
register("sandwich_attacker", SandwichAttacker)
register("sentiment_trader", SentimentTrader)
register("stability_depositor", StabilityDepositor)
register("trove_owner", TroveOwner)
register("underwriter", Underwriter)
register("vault_arbitrageur", VaultArbitrageur)
register("vault_owner", VaultOwner)
register("whale", Whale)
register("yield_migrant", YieldMigrant)
