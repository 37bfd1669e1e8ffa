"""Whether oracles and the lending markets that read them make sense."""

from __future__ import annotations

from sim.scenario.content import Content
from sim.scenario.lending import OracleSettings, ReserveSettings
from sim.scenario.pools import PoolSettings
from sim.scenario.problems import Problem, unknown


def check_oracle(
    s: Content, name: str, oracle: OracleSettings, tokens: list[str], base: list[str]
) -> list[Problem]:
    """What is wrong with an oracle.

    Args:
        s: All of the scenario.
        name: Of the oracle.
        oracle: Its settings.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    field = f"oracles.{name}"
    found = unknown(f"{field}.token", oracle.token, tokens, "token")
    found += unknown(f"{field}.pool", oracle.pool, s.pools, "pool")
    found += unknown(f"{field}.quote", oracle.quote, s.oracles, "oracle")
    found += _check_source(field, oracle, base)
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
    if oracle.source == "fixed" and oracle.price is None:
        found.append((f"{field}.price", 'is missing; source = "fixed" needs one'))
    if oracle.source == "venue" and oracle.token not in base:
        text = f"the venue does not trade {oracle.token}; use a pool, fixed or share"
        found.append((f"{field}.source", text))
    return found


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
    if oracle.source == "share" and not _has_fair_price(reads):
        text = f"has no fair price for {oracle.pool}, a {reads.kind} pool; only constant_product, "
        found.append((f"{field}.source", text + "weighted and stableswap pools have one"))
    quoted = s.oracles[oracle.quote].token if oracle.quote in s.oracles else None
    if oracle.source in ("pool_spot", "pool_twap") and quoted:
        if quoted not in reads.tokens or quoted == oracle.token:
            text = f"prices {quoted}; name an oracle of a token that {oracle.pool} quotes in"
            found.append((f"{field}.quote", text))
    return found


def check_markets(s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
    """What is wrong with the reserves of lending markets.

    Args:
        s: All of the scenario.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    found: list[Problem] = []
    debts = {f"{name}-{t}-debt" for name, lender in s.lending.items() for t in lender.reserves}
    for name, market in s.lending.items():
        for token, reserve in market.reserves.items():
            field = f"lending.{name}.reserves.{token}"
            others = [t for t in tokens if not t.startswith(f"{name}-")]
            found += unknown(field, token, others, "token")
            if token in debts:
                text = "is a debt, which nobody can hand over; take it out of the reserves"
                found.append((field, text))
            found += _check_reserve(s, field, token, reserve, base)
    return found


def _check_reserve(
    s: Content, field: str, token: str, r: ReserveSettings, base: list[str]
) -> list[Problem]:
    """Whether a reserve has its oracle, and numbers that do not contradict each other."""
    found = unknown(f"{field}.oracle", r.oracle or token, s.oracles, "oracle")
    feed = s.oracles.get(r.oracle or token)
    if feed is not None and feed.token != token:
        text = f"oracle {r.oracle or token!r} prices {feed.token}, not {token}"
        found.append((f"{field}.oracle", f"{text}; name one of {token}"))
    if r.collateral and r.threshold < r.ltv:
        text = (
            f"{r.threshold} is below the loan-to-value {r.ltv}: positions could be "
            "liquidated as soon as they are opened; raise it, or lower ltv"
        )
        found.append((f"{field}.threshold", text))
    if (r.cash > 0.0 or r.utilisation is not None) and token not in base:
        found.append((f"{field}.cash", f"only {', '.join(base)} can be put in"))
    if r.cash > r.supply_cap:
        text = f"{r.cash:g} is above supply_cap ({r.supply_cap:g}); lower it, or raise that"
        found.append((f"{field}.cash", text))
    if r.cash > 0.0 and r.utilisation is not None:
        text = "cannot stand beside cash; give one of them"
        found.append((f"{field}.utilisation", text))
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


def _has_fair_price(pool: PoolSettings) -> bool:
    return pool.kind in ("constant_product", "weighted", "stableswap")
