# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch"]
#
# [tool.krepro]
# title = "wants no mark: fails where leaves_a_mark ran before"
# kind = "silent"
# area = "fake"
# affected = []
# ///
"""fails where leaves_a_mark ran before."""

import json


def test_it():
    assert not hasattr(json, "krepro_mark")
