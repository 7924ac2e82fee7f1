# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = '>=9.1.0,<9.2.0'
# works = { workaround_twice = ['<9.1.0', '>=9.2.0'] }
# ///
"""Affected by a failed assertion; one workaround works, the other does not."""

import keras


def test_sum():
    assert keras.add(1, 2) == 3, f"the sum is {keras.add(1, 2)}, 3 was promised"


def workaround_plus():
    assert 1 + 2 == 3


def workaround_twice():
    assert keras.add(keras.add(1, 1), 1) == 3
