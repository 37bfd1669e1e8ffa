"""Whether pools make sense, what they hold of each other, and what insures them."""

from __future__ import annotations

from sim import registry
from sim.errors import ScenarioError, did_you_mean
from sim.scenario.content import Content
from sim.scenario.lending import InsuranceSettings
from sim.scenario.pools import OF_KIND, PoolSettings
from sim.scenario.problems import Problem, unknown

LEAST_WEIGHT = 1e-4
"""Share of a weighted pool's value; amounts are taken to the power of one weight over another."""


def check_pool(
    s: Content, name: str, pool: PoolSettings, tokens: list[str], base: list[str]
) -> list[Problem]:
    """What is wrong with a pool.

    Args:
        s: All of the scenario.
        name: Of the pool.
        pool: Its settings.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    field = f"pools.{name}"
    found = _check_class(field, pool)
    for token in pool.tokens:
        found += unknown(f"{field}.tokens", token, tokens, "token")
    found += _check_kind(name, pool)
    if len(set(pool.tokens)) < len(pool.tokens):
        found.append((f"{field}.tokens", "hold a token twice; give different ones"))
    elif set(pool.tokens) <= set(tokens):
        own = f"{name}-share"
        inside = [t for t in pool.tokens if t != own]
        if set(pool.reserves) != set(inside):
            text = f"must be of {' and '.join(inside)}, not {' and '.join(pool.reserves)}"
            found.append((f"{field}.reserves", text))
        shares = {f"{p}-share": p for p, other in s.pools.items() if _has_shares(other)}
        if strange := set(inside) - set(base) - set(shares):
            text = f"{', '.join(sorted(strange))} cannot be put in at the start; assets and "
            text += "shares of pools can, but of concentrated ones, which have none"
            found.append((f"{field}.tokens", text))
    return found


def check_circle(s: Content) -> list[Problem]:
    """Whether pools hold each other's shares in a circle."""
    circle = _circle_of_shares(s)
    if not circle:
        return []
    text = f"hold each other's shares in a circle: {' -> '.join(circle)}; break it"
    return [(f"pools.{circle[0]}.tokens", text)]


def check_fund(s: Content, name: str, fund: InsuranceSettings, base: list[str]) -> list[Problem]:
    """Whether an insurance fund covers what can be covered.

    Args:
        s: All of the scenario.
        name: Of the fund.
        fund: Its settings.
        base: Tokens that the venue trades.
    """
    found = unknown(f"insurance.{name}.token", fund.token, base, "token")
    for covered in fund.covers:
        coverable = [*s.pools, *s.lending]
        found += unknown(f"insurance.{name}.covers", covered, coverable, "pool or lending market")
        kind = s.pools[covered].kind if covered in s.pools else ""
        if kind in ("concentrated", "bonding_curve"):
            text = f"{covered} is {kind}; losses are stated of pools whose shares are alike"
            found.append((f"insurance.{name}.covers", text))
    return found


def _check_kind(pool_name: str, pool: PoolSettings) -> list[Problem]:
    """What is wrong with the fields that only some kinds of pool have."""
    field = f"pools.{pool_name}"
    found = _check_own_share(pool_name, pool)
    found += _check_ranges(field, pool)
    if pool.rates is not None and not set(pool.rates) <= set(pool.tokens):
        text = f"must be of {' and '.join(pool.tokens)}, not {' and '.join(pool.rates)}"
        found.append((f"{field}.rates", text))
    if pool.highest_fee < pool.fee and (pool.volatility_fee or pool.imbalance_fee):
        text = f"{pool.highest_fee:g} is below the fee ({pool.fee:g}); raise it"
        found.append((f"{field}.highest_fee", text))
    for name, kind in OF_KIND.items():
        is_default = getattr(pool, name) == PoolSettings.model_fields[name].default
        if not is_default and pool.kind != kind:
            found.append((f"{field}.{name}", f"is of a {kind} pool; this one is {pool.kind}"))
    found += _check_weights(field, pool)
    found += _check_movement(field, pool)
    return found


def _check_class(field: str, pool: PoolSettings) -> list[Problem]:
    """Whether there is such a kind, and whether its class declares the parameters given."""
    if ":" not in pool.kind:
        if problems := unknown(f"{field}.kind", pool.kind, registry.pools(), "kind of pool"):
            return problems
    try:
        declared = registry.pool(pool.kind).parameters
    except ScenarioError as error:
        return [(f"{field}.kind", text) for _, text in error.problems]
    found: list[Problem] = []
    for name, value in pool.parameters.items():
        where = f"{field}.parameters.{name}"
        column = declared.get(name)
        if column is None:
            found.append(
                (where, f"no such parameter of {pool.kind}; {did_you_mean(name, declared)}")
            )
        elif not column.low <= value <= column.high:
            text = (
                f"{value:g} is out of range; give a number from {column.low:g} to {column.high:g}"
            )
            found.append((where, text))
    return found


def _most_tokens(pool: PoolSettings) -> int:
    try:
        return int(registry.pool(pool.kind).most_tokens)
    except ScenarioError:  # said of the kind already
        return len(pool.tokens)


def _check_own_share(pool_name: str, pool: PoolSettings) -> list[Problem]:
    """Whether a pool has as many tokens as its kind, its own share among them or not."""
    found: list[Problem] = []
    field = f"pools.{pool_name}"
    if len(pool.tokens) > (most := _most_tokens(pool)):
        text = f"are {len(pool.tokens)}; a {pool.kind} pool has {'two' if most == 2 else most}"
        found.append((f"{field}.tokens", text))
    own = f"{pool_name}-share"
    if pool.kind == "bonding_curve":
        if pool.tokens[0] != own:
            text = f"begin with {pool.tokens[0]!r}; the first is what it issues, {own!r}"
            found.append((f"{field}.tokens", text))
        if pool.supply is None:
            found.append((f"{field}.supply", "is missing; say how many tokens are out at first"))
    elif own in pool.tokens:
        found.append((f"{field}.tokens", f"hold {own}, its own share; only a bonding curve may"))
    return found


def _check_ranges(field: str, pool: PoolSettings) -> list[Problem]:
    """Whether the positions at the start are ranges of prices that the pool allows."""
    found: list[Problem] = []
    for i, position in enumerate(pool.ranges):
        where = f"{field}.ranges.{i}"
        if position.lower >= position.upper:
            text = f"{position.upper:g} is not above lower ({position.lower:g}); raise it"
            found.append((f"{where}.upper", text))
        elif position.lower < 1.0 / pool.price_span or position.upper > pool.price_span:
            text = f"leaves the prices that the pool allows; raise price_span ({pool.price_span:g})"
            found.append((where, text))
    return found


def _check_weights(field: str, pool: PoolSettings) -> list[Problem]:
    """Whether weights, and the rule that they follow, leave each token some."""
    found: list[Problem] = []
    for name in ("weights", "target_weights"):
        given = getattr(pool, name)
        if given is not None and set(given) != set(pool.tokens):
            text = f"must be of {' and '.join(pool.tokens)}, not {' and '.join(given)}"
            found.append((f"{field}.{name}", text))
        elif given is not None and min(given.values()) < LEAST_WEIGHT * sum(given.values()):
            text = f"make one of them less than {LEAST_WEIGHT:g} of all; raise it"
            found.append((f"{field}.{name}", text))
    if pool.weight_rule is not None:
        if pool.weight_rule.lowest * len(pool.tokens) >= 1.0:
            text = f"{pool.weight_rule.lowest:g} leaves nothing to move among {len(pool.tokens)} "
            found.append((f"{field}.weight_rule.lowest", text + "tokens; lower it"))
        if pool.target_weights is not None:
            text = "cannot stand beside target_weights; give one of them"
            found.append((f"{field}.weight_rule", text))
    return found


def _check_movement(field: str, pool: PoolSettings) -> list[Problem]:
    """Whether what moves has an end, and what has an end moves."""
    found: list[Problem] = []
    moves = pool.target_weights is not None or pool.target_amplification is not None
    if moves and pool.moves_until <= pool.moves_from:
        text = f"is not after moves_from ({pool.moves_from}); say until when it moves"
        found.append((f"{field}.moves_until", text))
    if not moves and pool.moves_until:
        text = "moves nothing; give target_weights, or target_amplification"
        found.append((f"{field}.moves_until", text))
    return found


def _has_shares(pool: PoolSettings) -> bool:
    return pool.kind != "concentrated"


def order_of_funding(scenario: Content) -> list[str]:
    """Pools such that each comes after those whose shares it holds; in a circle: all the same."""
    needs = _shares_held(scenario)
    order: list[str] = []
    waiting = list(scenario.pools)
    while waiting:
        there = set(waiting)
        ready = [name for name in waiting if not needs[name] & there]
        if not ready:
            return order + waiting
        order += ready
        waiting = [name for name in waiting if needs[name] & there]
    return order


def _shares_held(s: Content) -> dict[str, set[str]]:
    """The other pools whose shares each pool holds."""
    pools = {f"{name}-share": name for name in s.pools}
    return {
        name: {pools[t] for t in pool.tokens if t in pools} - {name}
        for name, pool in s.pools.items()
    }


def _circle_of_shares(s: Content) -> list[str]:
    order, needs = order_of_funding(s), _shares_held(s)
    at = {name: i for i, name in enumerate(order)}
    for name in order:
        later = [other for other in needs[name] if at[other] > at[name]]
        if later:
            return [name, min(later, key=lambda other: at[other])]
    return []
