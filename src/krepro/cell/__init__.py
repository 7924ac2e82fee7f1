"""What runs inside a cell: the standard library, pytest and Keras, nothing else.

The engine starts these modules in a stack's own interpreter, where krepro is not installed.
"""
