"""Reports as text, Markdown, JSON and JUnit XML: one module per format."""
