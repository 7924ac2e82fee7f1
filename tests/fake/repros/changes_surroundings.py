# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""Unaffected, however often it runs: nobody sees what it changes."""

import os
import sys
import tempfile

import keras


def test_surroundings():
    assert "KREPRO_PLANTED" not in os.environ, "an earlier run is seen"
    assert os.listdir() == [], f"the working folder is not empty: {os.listdir()}"
    assert not hasattr(keras, "planted"), "an earlier run changed Keras"
    os.environ["KREPRO_PLANTED"] = "1"
    keras.planted = True
    with open("left behind", "w") as file:
        file.write("x")
    tempfile.mkstemp(prefix="krepro-planted-")
    os.chdir("/")
    sys.path.clear()
