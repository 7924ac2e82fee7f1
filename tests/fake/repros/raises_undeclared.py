# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""An error: an exception that no symptom declares."""

import keras


def test_product():
    keras.nothing_of_that_name()
