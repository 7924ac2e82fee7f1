# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# memory_mb = 300
# ///
"""Untestable: it passes the memory limit."""


def test_memory():
    kept = []
    while True:
        kept.append(bytearray(b"x") * 2**24)
