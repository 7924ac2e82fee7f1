"""The matrix as static pages: index, a page per repro, evidence per verdict."""
