"""Images of a pickled list, as the scripts beside this folder read them."""

import os
import pickle

from PIL import Image
from torch.utils.data import Dataset


class Listed(Dataset):
    """Rows ``[path, label]`` of a pickle."""

    def __init__(self, root, file, view):
        with open(file, "rb") as handle:
            self.rows = pickle.load(handle)
        self.root, self.view = root, view

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        path, label = self.rows[index][:2]
        image = Image.open(os.path.join(self.root, path)).convert("RGB")
        return self.view(image), int(label)
