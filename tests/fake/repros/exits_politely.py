# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""An error: it asks to end the process."""

import sys


def test_exit():
    sys.exit(0)
