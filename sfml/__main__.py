"""``python -m sfml`` is the command ``sfml``."""

from __future__ import annotations

import sys

from sfml.cli import main

if __name__ == "__main__":
    sys.exit(main())
