"""The table of measures is of the measures there are."""

from __future__ import annotations

from pathlib import Path

from runs.catalogue import table
from sim import Market


def test_the_document_is_up_to_date() -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "measures.md"
    assert document.read_text(encoding="utf-8") == table(Market("black_thursday"))
