# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""Unaffected; the processes it leaves behind are ended."""

import os
import subprocess
import sys
import time

import keras  # noqa: F401

MARK = "krepro-planted-child"


def test_children():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.execv(
            sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", MARK]
        )
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", MARK])
    time.sleep(0.1)
