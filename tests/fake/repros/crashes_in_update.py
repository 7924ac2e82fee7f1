# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'crash'
# area = 'fake'
# affected = '>=9.1.0,<9.3.0'
# symptom = "AttributeError: 'NoneType' object has no attribute ...length"
# ///
"""Affected by an exception that matches the symptom."""

import keras


def test_update():
    assert keras.update_state(1) == 1
