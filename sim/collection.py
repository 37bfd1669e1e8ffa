"""Python's garbage collector, kept from a start that makes objects by the hundred thousand."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 1_000_000
"""New objects between two passes meanwhile; usually Python takes 700."""

_lock = threading.Lock()
_inside = 0
_before = gc.get_threshold()


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Have the collector of cycles pass seldom while modules or kernels are loaded.

    What a start makes is kept, nearly all of it: each pass looks through it again and finds
    nothing, which is a fourteenth of the time of a warm start. Contexts may lie in each other and
    in several threads; the last that ends restores what the first found.
    """
    global _inside, _before
    with _lock:
        if not _inside:
            _before = gc.get_threshold()
            # 0 says that somebody has turned it off, and so it stays.
            gc.set_threshold(_before[0] and max(RARELY, _before[0]), *_before[1:])
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                gc.set_threshold(*_before)
