"""What the models of the literature take: matrices, or a graph with the same numbers on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Vector = Sequence[float] | Mapping[Any, float] | pd.Series | npt.NDArray[Any] | float
"""Numbers of nodes: in their order, or by name; one number is everybody's."""


def as_matrix(
    links: Any, what: str, nodes: Sequence[Any] | None = None
) -> tuple[Floats, list[Any]]:
    """A matrix of who has what with whom, and the names of its rows.

    Args:
        links: float64[n, n], a data frame, or a networkx graph whose edges have a `weight`; several
            edges between two nodes add up.
        what: It is called so in errors.
        nodes: Names, where they are known; default: the graph's, or 0 to n - 1.

    Raises:
        ValueError: If it is not square, or holds what is no number of 0 or more.
    """
    if isinstance(links, nx.Graph):
        names = list(links) if nodes is None else list(nodes)
        place = {node: n for n, node in enumerate(names)}
        matrix = np.zeros((len(names), len(names)))
        for source, target, weight in links.edges(data="weight", default=1.0):
            matrix[place[source], place[target]] += float(weight)
            if not links.is_directed() and source != target:
                matrix[place[target], place[source]] += float(weight)
    elif isinstance(links, pd.DataFrame):
        names = list(links.index)
        matrix = links.reindex(columns=names).to_numpy(np.float64)
    else:
        matrix = np.array(links, np.float64)
        names = list(range(len(matrix))) if nodes is None else list(nodes)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{what} has shape {matrix.shape}; give a square matrix, or a graph")
    if not (np.isfinite(matrix).all() and (matrix >= 0.0).all()):
        raise ValueError(f"{what} must hold finite numbers of 0 or more")
    if np.diagonal(matrix).any():
        node = names[int(np.flatnonzero(np.diagonal(matrix))[0])]
        raise ValueError(f"{what} has {node!r} linked to itself; leave that out")
    return matrix, names


def as_vector(numbers: Vector, names: Sequence[Any], what: str, least: float = 0.0) -> Floats:
    """Numbers of nodes in their order.

    Args:
        numbers: In order, by name, or one for all.
        names: Of the nodes.
        what: It is called so in errors.
        least: They must be at least so much.

    Raises:
        ValueError: If there are too many or too few, or one is no number or too small.
    """
    if isinstance(numbers, Mapping | pd.Series):
        lacking = [name for name in names if name not in numbers]
        if lacking:
            raise ValueError(f"{what} says nothing of {lacking[0]!r}; give a number for each node")
        found = np.array([float(numbers[name]) for name in names])
    else:
        found = np.asarray(numbers, np.float64)
        found = np.full(len(names), float(found)) if found.ndim == 0 else found.copy()
    if found.shape != (len(names),):
        raise ValueError(
            f"{what} has shape {found.shape}; give one number for each of {len(names)}"
        )
    if not np.isfinite(found).all() or (found < least).any():
        raise ValueError(f"{what} must hold finite numbers of {least:g} or more")
    return found


def named(found: Floats, names: Sequence[Any], links: Any) -> Any:
    """Numbers of nodes, by name where they came by name."""
    if isinstance(links, nx.Graph | pd.DataFrame):
        return pd.Series(found, index=pd.Index(names, name="node"))
    return found
