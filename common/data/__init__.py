"""What a training runs on: tables of images, views, datasets, streams, splits, the cache."""
