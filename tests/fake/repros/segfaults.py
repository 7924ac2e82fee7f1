# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""Untestable: the interpreter dies."""

import os
import signal


def test_crash():
    os.kill(os.getpid(), signal.SIGSEGV)
