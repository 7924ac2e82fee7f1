"""krepro: which Keras 3 releases have which bug, found out by running them."""

__version__ = "0.1.0"
