"""All protocols that come with the simulator: importing this makes them known."""

from __future__ import annotations

from importlib import import_module

from protocols import __all__ as __all__

for _name in __all__:
    import_module(f"protocols.{_name}")
