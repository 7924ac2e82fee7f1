"""A tiny fake Keras with planted behaviours, one per verdict: the subject of engine tests."""
