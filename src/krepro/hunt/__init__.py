"""From a script that misbehaves to releases, to commits, to lines of Keras."""
