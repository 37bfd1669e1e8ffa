"""A served page and a Chromium that opens it: for tests, pictures and measurements."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A browser on a machine without a screen, that asks nobody outside for anything."""


@contextmanager
def served(*words: str, patience: float = 300.0) -> Iterator[tuple[str, int]]:
    """Start `undertow app` on a free port.

    Args:
        words: For the command, as the scenario.
        patience: How long it may take to start, seconds.

    Yields:
        Its address and the number of its process.

    Raises:
        RuntimeError: If it does not start, or if it said a traceback until the end.
    """
    command = [sys.executable, "-m", "runs.cli", "app", *words, "--no-open", "--port", "0"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stderr=log, stdout=log)

        def said() -> str:
            log.seek(0)
            return log.read()

        try:
            until = time.time() + patience
            while not (found := re.search(r"http://127.0.0.1:\d+", said())):
                if server.poll() is not None or time.time() > until:
                    raise RuntimeError(f"the page did not start: {said()}")
                time.sleep(0.1)
            yield found[0], server.pid
        finally:
            server.terminate()
            server.wait(30)
        if "Traceback" in said():
            raise RuntimeError(said())


def chromium_here() -> str | None:
    """Path of a Chromium, or None where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, as Playwright's browser.

    Raises:
        RuntimeError: If there is none on this machine.
    """
    from playwright.sync_api import sync_playwright

    path = chromium_here()
    if path is None:
        raise RuntimeError("there is no chromium here; install one, as apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def resident(pid: int) -> float:
    """Memory of a process that is in use, MiB; Linux alone."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return float(found[1]) / 1024.0 if found else float("nan")
