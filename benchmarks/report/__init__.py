"""The evidence and a set of runs as one page, as HTML, Markdown, JUnit XML and JSON."""
