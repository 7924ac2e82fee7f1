"""Programs that nobody wrote: made, run in cells, and held to what Keras' documentation promises."""
