"""What is known of datasets, and the tools on them: readers, stand-ins, checks, split files."""
