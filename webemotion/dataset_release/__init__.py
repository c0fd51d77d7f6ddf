"""The datasets as they were released: votes, tag lists, links, and converters to image lists."""
