"""The contagion laboratory under Undertow's name: ``from undertow.contagion import attribute``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import undertow

if TYPE_CHECKING:
    from runs.contagion import *  # noqa: F403

# One module, by whichever name it is asked for.
sys.modules[__name__] = undertow.contagion
