"""Distributions from which a scenario draws its agents' numbers.

In a scenario a number stands for itself, a table for a distribution:
``size = { distribution = "lognormal", median = 500, sigma = 1.2, at_most = 1e6 }``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from sim.arrays import exp

MOST = 1e18
"""Greatest number that a scenario may state: a billion billions.

A double ends at 1.8e308. Amounts are multiplied by prices, squared, and summed over millions of
agents; below this, whatever is computed of a few of them stays finite. No amount of money or of
tokens in use comes near.
"""
LEAST = 1e-18
"""Least number where zero makes no sense: it may be divided by, so the same holds for its inverse.
It is the unit in which Ethereum counts."""


def _not_tiny(value: float) -> float:
    if value < LEAST:
        raise ValueError(f"{value!r} is too small to count with; give {LEAST:g} or more")
    return value


Finite = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, le=MOST, allow_inf_nan=False), AfterValidator(_not_tiny)]
NotNegative = Annotated[float, Field(ge=0.0, le=MOST, allow_inf_nan=False)]
MOST_SIGMA = 20.0
"""Of the log of what is drawn: at eight deviations exp(8 x 20) is 1e69, which is still a number."""
LEAST_SHAPE = 0.001
"""Of a beta distribution, and of a Pareto tail: below it all draws are at the ends."""
MOST_VALUES = 100_000
"""Of a choice."""


class _Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: Finite | None = Field(None, description="Draws below it are raised to it.")
    at_most: Finite | None = Field(None, description="Draws above it are lowered to it.")

    @model_validator(mode="after")
    def _in_order(self) -> _Base:
        least, most = self.at_least, self.at_most
        if least is not None and most is not None and least > most:
            raise ValueError(f"at_least ({least:g}) is above at_most ({most:g}); swap them")
        return self

    def draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        """Draw float64[size]; what is drawn is bounded as what is stated."""
        low = -MOST if self.at_least is None else self.at_least
        high = MOST if self.at_most is None else self.at_most
        with np.errstate(over="ignore"):  # a heavy tail, which is cut
            return np.clip(self._draw(rng, size), low, high)

    def support(self) -> tuple[float, float]:
        """Least and greatest value that can be drawn."""
        low, high = self._support()
        if self.at_least is not None:
            low, high = max(low, self.at_least), max(high, self.at_least)
        if self.at_most is not None:
            low, high = min(low, self.at_most), min(high, self.at_most)
        return low, high

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        raise NotImplementedError

    def _support(self) -> tuple[float, float]:
        raise NotImplementedError


class Constant(_Base):
    """The same number for all."""

    distribution: Literal["constant"] = "constant"
    value: Finite

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return np.full(size, float(self.value))

    def _support(self) -> tuple[float, float]:
        return self.value, self.value


class Uniform(_Base):
    """Uniform between `low` and `high`."""

    distribution: Literal["uniform"]
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high}); swap them")
        return self

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return rng.uniform(self.low, self.high, size)

    def _support(self) -> tuple[float, float]:
        return self.low, self.high


class Normal(_Base):
    """Normal with a mean and a standard deviation."""

    distribution: Literal["normal"]
    mean: Finite
    sd: NotNegative

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return rng.normal(self.mean, self.sd, size)

    def _support(self) -> tuple[float, float]:
        return -math.inf, math.inf


class Lognormal(_Base):
    """Lognormal with a median and the standard deviation of the log."""

    distribution: Literal["lognormal"]
    median: Positive
    sigma: Annotated[float, Field(ge=0.0, le=MOST_SIGMA)]

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return self.median * exp(self.sigma * rng.standard_normal(size))

    def _support(self) -> tuple[float, float]:
        return 0.0, math.inf


class Pareto(_Base):
    """Pareto from `scale` up: P(x > s) = (scale / s) ** shape."""

    distribution: Literal["pareto"]
    scale: Positive
    shape: Annotated[float, Field(ge=LEAST_SHAPE, le=MOST)]

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return self.scale * (1.0 + rng.pareto(self.shape, size))

    def _support(self) -> tuple[float, float]:
        return self.scale, math.inf


class Beta(_Base):
    """Beta(a, b), stretched to [low, high]."""

    distribution: Literal["beta"]
    a: Annotated[float, Field(ge=LEAST_SHAPE, le=MOST)]
    b: Annotated[float, Field(ge=LEAST_SHAPE, le=MOST)]
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Beta:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high}); swap them")
        return self

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return self.low + (self.high - self.low) * rng.beta(self.a, self.b, size)

    def _support(self) -> tuple[float, float]:
        return self.low, self.high


class Choice(_Base):
    """One of some values, with weights or alike."""

    distribution: Literal["choice"]
    values: Annotated[list[Finite], Field(min_length=1, max_length=MOST_VALUES)]
    weights: list[NotNegative] | None = None

    @model_validator(mode="after")
    def _weighted(self) -> Choice:
        if self.weights is not None and (
            len(self.weights) != len(self.values) or sum(self.weights) <= 0.0
        ):
            raise ValueError("weights must be as many as values, and not all zero")
        return self

    def _draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        p = None
        if self.weights is not None:
            p = np.asarray(self.weights, dtype=float) / sum(self.weights)
        return rng.choice(np.asarray(self.values, dtype=float), size, p=p)

    def _support(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


def _from_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"distribution": "constant", "value": value}
    if isinstance(value, dict) and "distribution" not in value:
        raise ValueError(
            "a table needs distribution = one of constant, uniform, normal, lognormal, "
            "pareto, beta, choice; or give a number"
        )
    if not isinstance(value, dict | BaseModel):
        raise ValueError("give a number, or a table with distribution = ...")
    return value


Distribution = Annotated[
    Annotated[
        Constant | Uniform | Normal | Lognormal | Pareto | Beta | Choice,
        Field(discriminator="distribution"),
    ],
    BeforeValidator(_from_number),
]
