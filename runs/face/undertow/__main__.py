"""``python -m undertow``: the command line."""

from __future__ import annotations

from runs.cli import main

if __name__ == "__main__":
    main()
