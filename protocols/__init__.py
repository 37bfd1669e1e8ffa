"""What agents act on: one protocol per file."""

from __future__ import annotations

from protocols import constant_product, custom, lending, oracle, pool

__all__ = ["constant_product", "custom", "lending", "oracle", "pool"]
