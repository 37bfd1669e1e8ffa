"""Serving the page."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runs.app.browser import resident, served
from runs.app.measure import visits
from runs.app.server import Housekeeper, give_back, is_loopback, listen
from runs.cli import app
from sim.errors import ScenarioError

ROOT = Path(__file__).parents[3]


def test_it_listens_on_this_machine_alone() -> None:
    with listen("127.0.0.1", 0) as bound:
        assert is_loopback(bound)
        assert bound.getsockname()[1] > 0


def test_telemetry_is_off_once_the_page_is_there() -> None:
    from solara.server import settings, telemetry

    import runs.app.page  # noqa: F401

    assert settings.telemetry.mixpanel_enable is False
    assert telemetry.settings is settings
    assert settings.theme.show_banner is False


def test_everybody_is_not_this_machine() -> None:
    with listen("0.0.0.0", 0) as bound:
        assert not is_loopback(bound)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ScenarioError) as caught, listen("127.0.0.1", port):
            pass
    assert caught.value.problems[0][0] == "--port"
    assert str(port) in caught.value.problems[0][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such scenario"),
        (["calm", "--host", "no.such.host.invalid"], "--host: there is no"),
        (["calm", "--port", "99999"], "--port"),
        (["calm", "--rng", "-1"], "--rng"),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["app", "--no-open", *words])
    assert result.exit_code == 2
    assert said in re.sub(r"\x1b\[[0-9;]*m", "", result.output)


@pytest.mark.slow
def test_hosting_for_others_warns_and_ctrl_c_ends_it() -> None:
    words = [sys.executable, "-m", "runs.cli", "app", "--host", "0.0.0.0", "--port", "0"]
    server = subprocess.Popen(
        [*words, "--no-open"], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    said = ""
    while "Ctrl-C stops it" not in said:
        line = server.stderr.readline()
        assert line, said
        said += line
    assert "anyone who can reach this machine" in said
    assert "no user code" in said
    server.send_signal(2)
    try:
        _, rest = server.communicate(timeout=60)
    finally:
        server.kill()
        server.communicate()
    assert server.returncode == 130
    assert "Traceback" not in rest


def test_memory_is_given_back_a_moment_after_tabs_have_gone() -> None:
    keeper = Housekeeper()
    assert not keeper.look(3, 10.0)
    assert not keeper.look(2, 11.0)
    assert not keeper.look(1, 12.0)  # one more: wait again
    assert not keeper.look(1, 13.5)
    assert keeper.look(1, 14.5)
    assert not keeper.look(1, 20.0)
    assert not keeper.look(5, 21.0)
    give_back()


@pytest.mark.slow
def test_tabs_that_come_and_go_leave_no_memory_behind(chromium: Any) -> None:
    with served("calm") as (address, pid):
        sizes = []
        for _ in range(3):
            visits(chromium, f"{address}/?scenario=calm&rng=1&block=50", 10)
            time.sleep(6.0)
            sizes.append(resident(pid))
    # MiB; ten markets that stay would be sixty and more.
    assert sizes[2] < sizes[1] + 20.0, sizes
