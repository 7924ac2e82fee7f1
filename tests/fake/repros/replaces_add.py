# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch"]
#
# [tool.krepro]
# title = "replaces add: replaces a function of Keras"
# kind = "silent"
# area = "fake"
# affected = []
# ///
"""replaces a function of Keras."""

import keras


def test_it():
    keras.add = max
