"""What a scenario says of pools: what all kinds share, and whether they suit each other.

What only one kind has is in a class beside that kind's mathematics, which its class of pools
names (`protocols.handles.CurvedPool.Settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from sim import registry
from sim.distribution import NotNegative, Positive
from sim.errors import Problem, did_you_mean, unknown
from sim.fields import (
    Blocks,
    ByKind,
    Fee,
    Lasting,
    Period,
    Share,
    ShockSettings,
    Table,
    multiplied,
    reach,
)
from sim.names import share_name
from sim.parts import held_at_start

if TYPE_CHECKING:
    from sim.scenario import Content

DEFAULT = "constant_product"
"""Kind of a pool that names none."""


class BreakerSettings(Table):
    """A pool's circuit breaker: it halts the pool when a limit is exceeded."""

    move: NotNegative = Field(
        0.0,
        description="Largest move of the log price within a window; 0: no limit.",
        json_schema_extra=reach("log of the price", 0.0, 0.5),
    )
    imbalance: Share = Field(
        0.0, description="Largest imbalance, as the measure of that name; 0: no limit."
    )
    outflow: Fee = Field(
        0.0,
        description="Largest outflow within a window, share of the pool's value; 0: no limit.",
        json_schema_extra=reach("share", 0.0, 0.9),
    )
    window: Period = Field(300, description="Length of the window, blocks.")
    cool_down: Period = Field(
        300,
        description="Time for which the pool stays halted, blocks.",
        json_schema_extra=reach("blocks", 1, 5000, log=True),
    )

    @model_validator(mode="after")
    def _some_limit(self) -> BreakerSettings:
        if not (self.move or self.imbalance or self.outflow):
            raise ValueError("limits nothing; give move, imbalance or outflow")
        return self


class PoolSettings(Table):
    """A pool. These fields apply to all kinds."""

    kind: str = DEFAULT
    tokens: list[str] = Field(
        min_length=2,
        max_length=8,
        description="Assets, or shares of other pools; exactly two for constant_product, "
        "concentrated and bonding_curve. A bonding curve's first token is its own "
        "share, which it issues.",
    )
    reserves: dict[str, Positive] = Field(
        description="Initial reserves, token units. For a concentrated pool their ratio sets the "
        "price, and their value is divided among its ranges.",
        json_schema_extra=multiplied("size"),
    )
    fee: Fee = Field(
        0.003,
        description="Share of the amount paid in.",
        json_schema_extra=reach("share", 0.0, 0.02),
    )
    protocol_fee: Share = Field(
        0.0,
        description="Share of the fee that goes to the protocol.",
        json_schema_extra=reach("share of the fee", 0.0, 1.0),
    )
    volatility_fee: NotNegative = Field(
        0.0,
        description="Added to the fee per unit of recent volatility per block.",
        json_schema_extra=reach("share", 0.0, 10.0),
    )
    imbalance_fee: NotNegative = Field(
        0.0,
        description="Added to the fee per unit of imbalance.",
        json_schema_extra=reach("share", 0.0, 0.05),
    )
    highest_fee: Fee = Field(0.05, description="Upper limit of the fee with these two additions.")
    fee_memory: Positive = Field(
        50.0, description="Time over which the fee measures volatility, blocks."
    )
    breaker: BreakerSettings | None = None

    @property
    def guarded(self) -> bool:
        """Whether it changes between two blocks with what has happened."""
        return bool(self.breaker or self.volatility_fee or self.imbalance_fee)

    def shares_of_value(self) -> dict[str, float]:
        """Weights that sum to one, by token."""
        return dict.fromkeys(self.tokens, 1.0 / len(self.tokens))

    def problems(self, name: str) -> list[Problem]:
        """What contradicts itself in a pool, whatever else there is.

        Args:
            name: Of the pool.

        Returns:
            Problems by field of the pool; a kind adds its own.
        """
        found: list[Problem] = []
        if len(self.tokens) > (most := int(registry.pool(self.kind).most_tokens)):
            text = f"are {len(self.tokens)}; a {self.kind} pool has {'two' if most == 2 else most}"
            found.append(("tokens", text))
        found += self.problems_of_share(share_name(name))
        if self.highest_fee < self.fee and (self.volatility_fee or self.imbalance_fee):
            text = f"{self.highest_fee:g} is below the fee ({self.fee:g}); raise it"
            found.append(("highest_fee", text))
        return found

    def problems_of_share(self, own: str) -> list[Problem]:
        """Whether a pool's own share is among its tokens if it should be."""
        if own in self.tokens:
            return [("tokens", f"hold {own}, its own share; only a bonding curve may")]
        return []

    def slots(self, room: int) -> int:
        """Numbers that a pool of its kind keeps in the ledger's storage, from ``extra`` on.

        Args:
            room: Positions that its providers may open.
        """
        return 0

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write what its kind says into its record.

        Args:
            record: POOL, with what all kinds share; ``capacity`` is for its providers' positions.
            pools: All pools of the scenario, by name and in order.
        """


class MovingSettings(PoolSettings):
    """A pool in which something moves on a schedule."""

    moves_from: Blocks = Field(0, description="Block in which the movement begins.")
    moves_until: Blocks = Field(0, description="Block in which it ends.")

    @property
    def target(self) -> tuple[str, Any]:
        """(name of the field that says where it moves to, what that says)."""
        raise NotImplementedError

    def problems(self, name: str) -> list[Problem]:
        """Whether what moves has an end, and what has an end moves."""
        found = super().problems(name)
        field, to = self.target
        if to is not None and self.moves_until <= self.moves_from:
            text = f"is not after moves_from ({self.moves_from}); give a later block"
            found.append(("moves_until", text))
        if to is None and self.moves_until:
            found.append(("moves_until", f"moves nothing; give {field}"))
        return found

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write when it moves."""
        record["moves_from"], record["moves_until"] = self.moves_from, self.moves_until


class OwnPoolSettings(PoolSettings):
    """A pool of a kind of your own, unless that kind has its own settings."""

    parameters: dict[str, float] = Field(default={}, description="Numbers that its class declares.")

    def problems(self, name: str) -> list[Problem]:
        """Whether its class declares the parameters that are given."""
        declared = registry.pool(self.kind).parameters
        found: list[Problem] = []
        for parameter, value in self.parameters.items():
            column = declared.get(parameter)
            if column is None:
                text = f"no such parameter of {self.kind}; {did_you_mean(parameter, declared)}"
                found.append((f"parameters.{parameter}", text))
            elif not column.low <= value <= column.high:
                reaches = f"from {column.low:g} to {column.high:g}"
                text = f"{value:g} is out of range; give a number {reaches}"
                found.append((f"parameters.{parameter}", text))
        return found + super().problems(name)

    def write(self, record: Any, pools: Mapping[str, PoolSettings]) -> None:
        """Write its parameters, in the order in which its class declares them."""
        for n, (parameter, column) in enumerate(registry.pool(self.kind).parameters.items()):
            record["parameters"][n] = self.parameters.get(parameter, column.default)


def settings_of(kind: str) -> type[PoolSettings]:
    """The class of the settings of a kind of pool.

    Raises:
        ScenarioError: If there is no such kind.
    """
    found: type[PoolSettings] = registry.pool(kind).Settings
    return found


def known_settings() -> dict[str, type[Table]]:
    """Classes of the settings of all kinds that have registered, by kind."""
    return {kind: settings_of(kind) for kind in registry.pools()}


AnyPool = Annotated[
    PoolSettings,
    ByKind(PoolSettings, "pool", DEFAULT, settings_of, known_settings, OwnPoolSettings),
]
"""A pool of whatever kind, checked by the class of that kind."""


class ProviderExit(ShockSettings):
    """Liquidity providers withdraw a share of their liquidity from a pool."""

    kind: Literal["provider_exit"]
    pool: str
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        json_schema_extra=reach("share", 0.01, 1.0)
    )
    agents: str | None = Field(None, description="Only providers or depositors in this group.")


class PoolHalt(ShockSettings):
    """A pool does not trade; its providers can still withdraw in proportion."""

    kind: Literal["pool_halt"]
    pool: str
    blocks: Lasting


registry.register_shock("provider_exit", ProviderExit)
registry.register_shock("pool_halt", PoolHalt)

# Whether all pools make sense


def check_pools(s: Content, tokens: list[str], base: list[str]) -> list[Problem]:
    """What is wrong with pools, and with what they hold of each other.

    Args:
        s: All of the scenario.
        tokens: All that there are.
        base: Those that the venue trades.
    """
    found: list[Problem] = []
    for name, pool in s.pools.items():
        found += _check_pool(s, name, pool, tokens, base)
    if circle := _circle_of_shares(s):
        text = f"hold each other's shares in a circle: {' -> '.join(circle)}; break it"
        found.append((f"pools.{circle[0]}.tokens", text))
    return found


def _check_pool(
    s: Content, name: str, pool: PoolSettings, tokens: list[str], base: list[str]
) -> list[Problem]:
    field = f"pools.{name}"
    found: list[Problem] = []
    for token in pool.tokens:
        found += unknown(f"{field}.tokens", token, tokens, "token")
    found += [(f"{field}.{at}", text) for at, text in pool.problems(name)]
    if len(set(pool.tokens)) < len(pool.tokens):
        found.append((f"{field}.tokens", "hold a token twice; give different ones"))
    elif set(pool.tokens) <= set(tokens):
        inside = [t for t in pool.tokens if t != share_name(name)]
        if set(pool.reserves) != set(inside):
            text = f"must be of {' and '.join(inside)}, not {' and '.join(pool.reserves)}"
            found.append((f"{field}.reserves", text))
        shares = {share_name(p) for p, other in s.pools.items() if _has_shares(other)}
        if strange := set(inside) - set(base) - shares - set(held_at_start(s)):
            text = f"{', '.join(sorted(strange))} cannot be put in at the start; assets, coins and "
            text += "shares of pools can, but of concentrated ones, which have none"
            found.append((f"{field}.tokens", text))
    return found


def _has_shares(pool: PoolSettings) -> bool:
    return not registry.pool(pool.kind).curve.ranges


def check_group(field: str, pools: Mapping[str, PoolSettings], group: Any) -> list[Problem]:
    """Whether the pools that a group of agents uses are of kinds that it knows.

    Args:
        field: Of the group.
        pools: By name.
        group: Its settings.
    """
    behaviour = registry.behaviour(group.kind)
    kinds: frozenset[str] = getattr(behaviour, "pool_kinds", frozenset())
    most_tokens = getattr(behaviour, "most_tokens", 8)
    found: list[Problem] = []
    for name in group.named("pools"):
        if name not in pools:
            continue
        pool = pools[name]
        if kinds and pool.kind not in kinds:
            text = f"{name} is {pool.kind}; a {group.kind} knows {', '.join(kinds)} only"
            found.append((f"{field}.pools", text))
        elif len(pool.tokens) > most_tokens:
            text = f"{name} holds {len(pool.tokens)} tokens; a {group.kind} knows pools "
            found.append((f"{field}.pools", text + f"of {most_tokens} only"))
    return found


# What they hold of each other


def order_of_funding(s: Content) -> list[str]:
    """Pools such that each comes after those whose shares it holds; in a circle: all the same."""
    needs = _shares_held(s)
    order: list[str] = []
    waiting = list(s.pools)
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
    pools = {share_name(name): name for name in s.pools}
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
