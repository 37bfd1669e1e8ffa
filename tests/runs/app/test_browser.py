"""Starting the page for tests, pictures and measurements."""

from __future__ import annotations

import pytest

from runs.app import browser


def test_a_page_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such scenario"), browser.served("nowhere"):
        pass


def test_no_chromium_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright")
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    assert browser.chromium_here() is None
    with pytest.raises(RuntimeError, match="install one"), browser.chromium():
        pass
