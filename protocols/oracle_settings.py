"""What a scenario says of oracles, and whether it makes sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from protocols.curve import not_valued
from protocols.pool_settings import PoolSettings
from sim import registry
from sim.declared import redeemed
from sim.distribution import NotNegative, Positive
from sim.errors import Problem, unknown
from sim.fields import Blocks, Lasting, ShockSettings, Switch, Table, reach

if TYPE_CHECKING:
    from sim.scenario import Content

MOST_REMEMBERED = 1_000_000
"""Blocks of prices that an oracle keeps, so its lag and its window; each is a place in memory."""


class OracleSettings(Table):
    """An oracle of one token's price."""

    token: str
    source: Literal["venue", "pool_spot", "pool_twap", "fixed", "share", "receipt"] = "venue"
    pool: str | None = Field(
        None, description="Pool that it reads, or whose share token it prices."
    )
    price: Positive | None = Field(
        None,
        description="Price of a fixed oracle, numeraire.",
        json_schema_extra=reach("numeraire", 0.01, 100000.0, log=True),
    )
    quote: str | None = Field(
        None, description="Oracle of the pool's other token; default: that token is worth 1."
    )
    live: Switch = Field(
        False,
        description="For a pool_spot: read at the moment of each loan, so that the same "
        "transaction can move it.",
    )
    lag: Annotated[int, Field(ge=0, le=MOST_REMEMBERED)] = Field(
        0, description="Delay, blocks.", json_schema_extra=reach("blocks", 0, 1000)
    )
    heartbeat: Blocks = Field(
        0,
        description="Longest time without an update, blocks; 0: no limit.",
        json_schema_extra=reach("blocks", 0, 5000),
    )
    deviation: NotNegative = Field(
        0.0,
        description="Price move that triggers an update, share.",
        json_schema_extra=reach("share", 0.0, 0.1),
    )
    window: Annotated[int, Field(ge=1, le=MOST_REMEMBERED)] = Field(
        30,
        description="Averaging window of a pool_twap, blocks.",
        json_schema_extra=reach("blocks", 1, 1000, log=True),
    )
    hop: Blocks = Field(
        0,
        description="Shortest time between two publications, blocks (Maker's OSM: an hour); 0: "
        "it may publish in every block.",
        json_schema_extra=reach("blocks", 0, 1000),
    )
    most_move: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0,
        description="Largest move per `hop`, share of its price; 0: no limit.",
        json_schema_extra=reach("share", 0.0, 0.2),
    )
    most_price: Positive | None = Field(
        None,
        description="Highest price that it reports, numeraire (Aave's CAPO for pegged coins); "
        "default: no limit.",
    )
    most_growth: NotNegative | None = Field(
        None,
        description="For a receipt: highest growth per year of the rate at which it is valued, "
        "as a share of the initial rate (Aave's CAPO); default: no limit.",
        json_schema_extra=reach("share", 0.0, 0.2),
    )


class OracleFreeze(ShockSettings):
    """An oracle publishes nothing."""

    kind: Literal["oracle_freeze"]
    oracle: str
    blocks: Lasting


registry.register_shock("oracle_freeze", OracleFreeze)


def check_oracles(s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
    """What is wrong with oracles.

    Args:
        s: All of the scenario.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    found: list[Problem] = []
    for name, oracle in s.oracles.items():
        found += _check_oracle(s, name, oracle, tokens, base)
    return found


def _check_oracle(
    s: Content, name: str, oracle: OracleSettings, tokens: list[str], base: list[str]
) -> list[Problem]:
    field = f"oracles.{name}"
    found = unknown(f"{field}.token", oracle.token, tokens, "token")
    found += unknown(f"{field}.pool", oracle.pool, s.pools, "pool")
    found += unknown(f"{field}.quote", oracle.quote, s.oracles, "oracle")
    found += _check_source(field, oracle, base)
    found += _check_receipt(s, name, oracle, tokens)
    reads = s.pools.get(oracle.pool or "")
    if reads is not None:
        found += _check_pool_read(s, field, oracle, reads)
    if circle := _circle_of_quotes(s, name):
        text = f"goes in a circle: {' -> '.join(circle)}; quote one of them in another"
        found.append((f"{field}.quote", text))
    share = f"{oracle.pool}-share"
    if oracle.source == "share" and reads is not None and oracle.token != share:
        found.append((f"{field}.token", f"is not {oracle.pool}'s share; give {share!r}"))
    return found


def _check_source(field: str, oracle: OracleSettings, base: list[str]) -> list[Problem]:
    """Whether an oracle says what its source needs."""
    found: list[Problem] = []
    if oracle.source in ("pool_spot", "pool_twap", "share") and oracle.pool is None:
        found.append((f"{field}.pool", f"is missing; source = {oracle.source!r} needs one"))
    if oracle.live and (oracle.source != "pool_spot" or oracle.lag or oracle.deviation):
        text = 'is only for source = "pool_spot" without lag and deviation; take one out'
        found.append((f"{field}.live", text))
    found += _check_held_back(field, oracle)
    if oracle.source == "fixed" and oracle.price is None:
        found.append((f"{field}.price", 'is missing; source = "fixed" needs one'))
    if oracle.source == "venue" and oracle.token not in base:
        text = f"the venue does not trade {oracle.token}; use a pool, fixed, share or receipt"
        found.append((f"{field}.source", text))
    return found


def _check_held_back(field: str, oracle: OracleSettings) -> list[Problem]:
    """Whether what holds an oracle back has something to hold."""
    found: list[Problem] = []
    if oracle.live and (oracle.hop or oracle.most_move or oracle.most_price is not None):
        text = "is read in every moment, and hop, most_move and most_price hold a publication back"
        found.append((f"{field}.live", f"{text}; take one out"))
    if oracle.most_move and not oracle.hop:
        text = "is missing; say in how many blocks it moves by most_move, 1 at least"
        found.append((f"{field}.hop", text))
    if oracle.most_growth is not None and oracle.source != "receipt":
        text = f'is only for source = "receipt", this is {oracle.source!r}; take it out'
        found.append((f"{field}.most_growth", text))
    return found


def _check_receipt(
    s: Content, name: str, oracle: OracleSettings, tokens: list[str]
) -> list[Problem]:
    """Whether what should be a receipt is one, of a token that has another oracle."""
    if oracle.source != "receipt" or oracle.token not in tokens:
        return []
    behind = deposited(s).get(oracle.token)
    if behind is None and oracle.token in redeemed(s):
        return _check_redeemed(s, name, oracle, redeemed(s)[oracle.token])
    if behind is None:
        have = ", ".join([*deposited(s), *redeemed(s)]) or "of which there is none"
        text = f"{oracle.token} is no receipt of a lending market or protocol ({have}); name one"
        return [(f"oracles.{name}.token", text)]
    if behind == name:
        text = f"{oracle.token} is valued by this oracle itself; give its reserve another"
        return [(f"oracles.{name}.source", text)]
    return []


def _check_redeemed(s: Content, name: str, oracle: OracleSettings, of: str) -> list[Problem]:
    """Whether an oracle of what a protocol redeems quotes in one of what it gives for it."""
    quote = s.oracles.get(oracle.quote or "")
    if oracle.quote is None:
        return [(f"oracles.{name}.quote", f"is missing; name an oracle of {of}")]
    if quote is not None and quote.token != of:
        text = f"prices {quote.token}; {oracle.token} stands for {of}: name an oracle of that"
        return [(f"oracles.{name}.quote", text)]
    return []


def deposited(s: Content) -> dict[str, str]:
    """Receipts of all lending markets: the oracle that values what is behind each, by name."""
    return {
        f"{market}-{token}": reserve.oracle or token
        for market, lender in s.lending.items()
        for token, reserve in lender.reserves.items()
    }


def _check_pool_read(
    s: Content, field: str, oracle: OracleSettings, reads: PoolSettings
) -> list[Problem]:
    """Whether the pool that an oracle reads has the price that it should read."""
    found: list[Problem] = []
    if oracle.source in ("pool_spot", "pool_twap"):
        if oracle.token not in reads.tokens:
            text = f"{oracle.pool} does not hold {oracle.token}; name a pool that does"
            found.append((f"{field}.pool", text))
        elif oracle.quote is None and s.venue.numeraire not in reads.tokens:
            other = oracle_quote_token(reads.tokens, oracle.token, s.venue.numeraire)
            if other != oracle.token:
                text = f"is missing; name an oracle of {other}, in which {oracle.pool} quotes"
                found.append((f"{field}.quote", text))
    if oracle.source == "share" and not _has_fair_price(reads.kind):
        have = [kind for kind in registry.pools() if _has_fair_price(kind)]
        text = f"has no fair price for {oracle.pool}, a {reads.kind} pool; only "
        text += f"{', '.join(have[:-1])} and {have[-1]} pools have one"
        found.append((f"{field}.source", text))
    quote = s.oracles.get(oracle.quote or "")
    quoted = quote.token if quote is not None else None
    if oracle.source in ("pool_spot", "pool_twap") and quoted:
        if quoted not in reads.tokens or quoted == oracle.token:
            text = f"prices {quoted}; name an oracle of a token that {oracle.pool} quotes in"
            found.append((f"{field}.quote", text))
    return found


def oracle_quote_token(tokens: list[str], token: str, numeraire: str) -> str:
    """Token of a pool in which an oracle reads the price of another: the numeraire if it can."""
    # A pool of one token alone is refused for that, and has no other.
    return numeraire if numeraire in tokens else next((t for t in tokens if t != token), token)


def _circle_of_quotes(s: Content, name: str) -> list[str]:
    """The oracles that one quotes in, if they lead back to it."""
    way = [name]
    while (quote := s.oracles[way[-1]].quote) in s.oracles and quote is not None:
        if quote == name:
            return [*way, name]
        if quote in way:
            return []  # a circle of others, which they tell
        way.append(quote)
    return []


def _has_fair_price(kind: str) -> bool:
    return registry.pool(kind).curve.fair is not not_valued
