# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.10.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "PyDataset: a loop over a dataset never ends"
# kind = "silent"
# area = "data"
# issues = []
# introduced = 19624
# fixed = 21330
# docs = ["https://keras.io/api/utils/python_utils/"]
# affected = ">=3.3.3,<3.11.0"
# keras2 = "unaffected"
# ///
"""`for batch in dataset` goes round for ever, or past the end of the data.

A dataset has a length, and people loop over it: to look at the batches, to collect the
labels, in a training loop of their own. Without `__iter__` Python asks for index after
index until an IndexError; slices of arrays never raise one, they become empty.
"""

import itertools

import keras
import numpy as np

Dataset = getattr(keras.utils, "PyDataset", None) or keras.utils.Sequence
LABELS = np.arange(4)


class Batches(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return LABELS[2 * index : 2 * index + 2]


def assert_all_batches(batches):
    sizes = [len(batch) for batch in batches]
    assert sizes == [2, 2], f"sizes of the batches {sizes}..., promised [2, 2]"


def test_loop_ends_with_the_last_batch():
    """A dataset of two batches, of which the loop would look at five."""
    assert_all_batches(itertools.islice(Batches(), 5))


def workaround_index():
    """Loop over the indices."""
    dataset = Batches()
    assert_all_batches(dataset[index] for index in range(len(dataset)))


if __name__ == "__main__":
    import sys
    import unittest

    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
            except unittest.SkipTest as reason:
                sys.exit(print(f"{name}: not applicable: {reason}") or 125)
            print(f"{name}: as promised")
