"""Processes that need not import the libraries again."""

import sys
from pathlib import Path

HOLDFAST = [sys.executable, "-S", str(Path(__file__).parent / "command.py")]  # instead of [sys.executable, "-m", "holdfast"]
