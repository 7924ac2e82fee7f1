"""From what was measured to a text that other people can act on; nothing is ever posted."""
