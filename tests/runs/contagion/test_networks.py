"""Matrices and graphs say the same."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from runs.contagion.networks import as_matrix, as_vector, named


def test_a_graph_a_frame_and_a_matrix_are_one() -> None:
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "a", 1.0)])
    frame = pd.DataFrame([[0.0, 2.0], [1.0, 0.0]], index=["a", "b"], columns=["a", "b"])
    want = np.array([[0.0, 2.0], [1.0, 0.0]])
    for links in (graph, frame, want):
        matrix, names = as_matrix(links, "links")
        assert (matrix == want).all() and len(names) == 2
    assert as_matrix(graph, "links")[1] == ["a", "b"]


def test_links_without_direction_go_both_ways() -> None:
    matrix, _ = as_matrix(nx.Graph([("a", "b")]), "links")
    assert matrix.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_numbers_come_in_order_by_name_or_as_one() -> None:
    assert as_vector(2.0, ["a", "b"], "x").tolist() == [2.0, 2.0]
    assert as_vector({"b": 1.0, "a": 0.0}, ["a", "b"], "x").tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="x says nothing of 'b'"):
        as_vector({"a": 1.0}, ["a", "b"], "x")


def test_names_are_given_back_where_they_came() -> None:
    assert isinstance(named(np.ones(1), [0], np.zeros((1, 1))), np.ndarray)
    assert named(np.ones(1), ["a"], nx.DiGraph())["a"] == 1.0
