# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# timeout_s = 1
# ///
"""Untestable: it does not end."""

import time


def test_hang():
    time.sleep(600)
