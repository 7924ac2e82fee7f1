# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""An error: it ends the process."""

import os


def test_exit():
    os._exit(0)
