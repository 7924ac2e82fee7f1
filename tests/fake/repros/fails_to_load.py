# /// script
# dependencies = []
#
# [tool.krepro]
# title = 'a title'
# kind = 'silent'
# area = 'fake'
# affected = []
# ///
"""An error: the file cannot be imported."""

import no_such_module_anywhere  # noqa: F401


def test_nothing():
    pass
