# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""Flaky: one run in two fails, counted in a file that outlives the run."""

import os
from pathlib import Path

COUNTER = Path(__file__).with_suffix(".count")


def test_coin():
    with COUNTER.open("ab") as file:
        file.write(b".")
    assert os.stat(COUNTER).st_size % 2, "tails"
