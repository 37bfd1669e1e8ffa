"""Tables of the study of the rumour: thresholds by seed, and where the books say they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from runs.dev.rumour import books_alone, spread, thresholds
from sim import Scenario


def test_a_threshold_is_the_least_share_beyond_which_others_leave() -> None:
    frame = pd.DataFrame(
        {
            "variant": ["base"] * 6,
            "seed": [1, 1, 1, 2, 2, 2],
            "share": [0.4, 0.1, 0.2, 0.1, 0.2, 0.4],
            "left": [0.9, 0.15, 0.5, 0.1, 0.2, 0.4],
        }
    )
    found = thresholds(frame, "left", ["variant"])
    assert list(found["threshold"]) == [0.2, np.inf]
    assert spread(found["threshold"][:1]) == "0.20 (0.20 to 0.20)"
    assert spread(found["threshold"][1:]) == "none (none to none)"


def test_the_books_alone_by_hand() -> None:
    # 1.05 for each promised, .2 liquid. f* is (1.01 (.84 + .21 / .85) - 1) / (1.01 / .85 - 1),
    # .52; and .05 are lost when .05 .85 / .15 beyond the cash of .21 have been called for.
    scenario = Scenario.load("rumour")
    assert books_alone(scenario, 0.2) == pytest.approx(0.21 + 0.05 * 0.85 / 0.15)
    assert books_alone(scenario, 0.8) == 1.0
