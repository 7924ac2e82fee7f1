# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# applies = '>=9.2.0'
# ///
"""Not applicable where the release lacks the feature."""

import unittest

import keras

if not hasattr(keras, "multiply"):
    raise unittest.SkipTest("no multiply yet")


def test_product():
    assert keras.multiply(2, 3) == 6
