"""The text side: sentence models over tags, their training, dictionaries and word vectors."""
