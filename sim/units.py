"""Seconds of a day and of a year: a year as prices count it, and one as contracts count it."""

from __future__ import annotations

DAY = 86_400.0
"""Seconds."""
YEAR = 365.25 * DAY
"""Seconds of a year, as volatilities and drifts count it."""
INTEREST_YEAR = 365.0 * DAY
"""Seconds of a year, as contracts count interest: 31,536,000."""
