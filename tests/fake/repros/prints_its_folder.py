# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch"]
#
# [tool.krepro]
# title = "prints its folder: prints what is in its folder"
# kind = "silent"
# area = "fake"
# affected = []
# ///
"""prints what is in its folder."""

import os


def test_it():
    os.write(1, f"this is prints_its_folder: {os.listdir()}\n".encode())
