"""What a program does with Keras, read from its text, and which known bugs that touches."""
