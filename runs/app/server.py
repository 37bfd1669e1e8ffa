"""Serves the page: on this machine alone unless asked otherwise, and telling nobody."""

from __future__ import annotations

import ctypes
import gc
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from runs.app.session import SCENARIO_VARIABLE, SEED_VARIABLE
from sim import Scenario
from sim.errors import ScenarioError, shown

_SWITCH_SECONDS = 0.0005
"""Between threads: a frame passes from the market's to the server's, and should not wait."""

_GRACE = 3.0
"""Seconds that the server has to say goodbye to its pages."""


_REST = 2.0
"""Seconds after a tab has gone until its memory is given back."""


def give_back() -> None:
    """Give memory that is free back to the system, where its C library can.

    A market that was closed leaves gaps between what is in use, which the allocator keeps.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


class Housekeeper:
    """Gives memory back when tabs have gone.

    Attributes:
        tabs: Pages that were open when it last looked.
    """

    def __init__(self) -> None:
        """Nobody has come yet."""
        self.tabs = 0
        self._due: float | None = None

    def look(self, tabs: int, now: float) -> bool:
        """Note how many pages are open at a time, and whether memory is to be given back."""
        if tabs < self.tabs:
            self._due = now + _REST
        self.tabs = tabs
        if self._due is None or now < self._due:
            return False
        self._due = None
        return True


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens.

    Args:
        host: Name or address.
        port: Of it; 0: any that is free.

    Raises:
        ScenarioError: If the host is unknown or the port is taken; it names the option.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, ValueError):  # it is unknown, or no name at all
        text = f"there is no {shown(host)} here; give 127.0.0.1"
        raise ScenarioError([("--host", text)]) from None
    with socket.socket(found[0], found[1]) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(found[4])
        except OSError as error:
            text = f"{port} cannot be used ({error.strerror}); give another, or 0 for any"
            raise ScenarioError([("--port", text)]) from None
        bound.listen(128)  # so that who has read the address is not refused
        yield bound


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def serve(
    bound: socket.socket,
    host: str,
    scenario: str | None,
    rng: int | None,
    show: bool,
    console: Console,
) -> None:
    """Serve the page until it is stopped.

    Args:
        bound: From `listen`.
        host: As it was asked for, for the address that is printed.
        scenario: Name or path of the one that pages open with.
        rng: Seed; None: the scenario's.
        show: Whether to open the page in a browser.
        console: Where to say what happens.

    Raises:
        ScenarioError: If the scenario cannot be run.
    """
    if scenario is not None:
        for field, text in Scenario.load(scenario).warnings():
            console.print(f"warning: {field}: {text}", highlight=False, markup=False)
        os.environ[SCENARIO_VARIABLE] = scenario
    if rng is not None:
        os.environ[SEED_VARIABLE] = str(rng)
    os.environ["SOLARA_APP"] = "runs.app.page"  # which also switches Solara's telemetry off
    import uvicorn
    from solara.server.kernel_context import contexts

    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
    if not is_loopback(bound):
        console.print(
            "[yellow]warning:[/yellow] anyone who can reach this machine can open the page and use "
            "its processor and memory. The page runs no user code and reads no files, but has no "
            "password: put it behind a proxy that asks for one.",
            highlight=False,
        )
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Solara says at every first visit that a page in another's frame would need https.
    warnings.filterwarnings("ignore", message="Cookies with samesite", category=UserWarning)
    with console.status("Starting the page ..."):
        config = uvicorn.Config("solara.server.starlette:app", log_level="error", ws="auto")
        config.load()
        server = uvicorn.Server(config)
    if show:
        threading.Thread(target=_show, args=(server, address), daemon=True).start()
    # In a thread of its own, so that Ctrl-C is caught here whatever the server is at, and
    # also where a shell that started it in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        said = f"The page is at {address} (Ctrl-C stops it)"
        console.print(said, highlight=False, markup=False)
        keeper = Housekeeper()
        while thread.is_alive():
            thread.join(0.2)
            if keeper.look(len(contexts), time.monotonic()):
                give_back()
    except KeyboardInterrupt:
        server.should_exit = True
        thread.join(_GRACE)
        sys.stderr.flush()
        os._exit(130)  # pages that play have threads that an orderly end would wait for


def _show(server: object, address: str) -> None:
    """Open the page once the server answers."""
    for _ in range(600):
        if getattr(server, "started", False):
            webbrowser.open(address)
            return
        time.sleep(0.1)
