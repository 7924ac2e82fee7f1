"""GANs: trained in cells by a script of their own (``training``)."""

from __future__ import annotations

from pathlib import Path


def training_script() -> Path:
    """Return the path of the script that trains: it imports Keras, so it is run, not imported."""
    return Path(__file__).with_name("training.py")
