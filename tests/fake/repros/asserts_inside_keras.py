# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""An error in 9.1.0: the assertion that fails is not the repro's."""

import keras


def test_checked():
    assert keras.checked(3) == 3
