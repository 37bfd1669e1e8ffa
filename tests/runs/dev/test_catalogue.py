"""Generated documents are of what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from runs.dev.catalogue import documents
from runs.study.design import points
from runs.study.study import Seeds, Study
from runs.study.sweeper import sweep

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", ["measures.md", "scenarios.md", "agents.md", "studies.md"])
def test_the_documents_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == documents()[name]


def blocks(name: str, language: str) -> list[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_studies_of_the_document_can_be_run(tmp_path: Path) -> None:
    (study,) = blocks("studies.md", "toml")
    found = Study.from_dict({"name": "shown", **tomllib.loads(study)})
    assert found.base.oracles["eth"].lag == 1
    assert len(points(found)) == 12
    (python,) = [text for text in blocks("studies.md", "python") if "study = " in text]
    (tmp_path / "gini.py").write_text(python)
    shown = Study.load(tmp_path / "gini.py")
    small = shown.model_copy(update={"seeds": Seeds(count=2), "set": {"blocks": 5}})
    frame = sweep(small, tmp_path / "out")
    assert frame["gini"].between(0.1, 1.0).all()
