"""Generated documents are of what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.catalogue import documents

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", ["measures.md", "scenarios.md", "agents.md"])
def test_the_documents_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == documents()[name]
