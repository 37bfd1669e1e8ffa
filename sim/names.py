"""Names of the accounts and tokens that every market has."""

from __future__ import annotations

VENUE, PRODUCER, HOLDERS, TREASURY = "venue", "producer", "holders", "treasury"


def share_name(pool: str) -> str:
    """Name of the token that is a share of a pool."""
    return f"{pool}-share"
