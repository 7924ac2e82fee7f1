# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""Unaffected, its output cut."""

import os

import keras  # noqa: F401


def test_output():
    os.write(1, b"the very beginning\n")
    block = b"x" * 2**20
    for _ in range(1024):
        view = memoryview(block)
        while view:
            view = view[os.write(1, view) :]
    os.write(1, b"the very end\n")
