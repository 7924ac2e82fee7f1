# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch"]
#
# [tool.krepro]
# title = "leaves a mark: leaves something in its process that nobody looks for"
# kind = "silent"
# area = "fake"
# affected = []
# ///
"""leaves something in its process that nobody looks for."""

import json


def test_it():
    json.krepro_mark = True
