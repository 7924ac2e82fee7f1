# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch"]
#
# [tool.krepro]
# title = "wants a sum: adds, and prints so"
# kind = "silent"
# area = "fake"
# affected = []
# ///
"""adds, and prints so."""

import keras


def test_it():
    assert keras.add(2, 2) == 4
