"""Tables that the data commands print."""

from __future__ import annotations


def counts_table(counts: dict[str, dict[str, int]]) -> str:
    """Images per class and split, as text.

    Args:
        counts: split -> class -> images.
    """
    splits = sorted(counts, reverse=True)
    classes = sorted({name for of_split in counts.values() for name in of_split})
    wide = max([8, *(len(split) + 1 for split in splits)])
    lines = [f"{'class':<20}" + "".join(f"{split:>{wide}}" for split in splits)]
    for name in classes:
        lines.append(f"{name:<20}" + "".join(f"{counts[s].get(name, 0):>{wide}}" for s in splits))
    lines.append(f"{'all':<20}" + "".join(f"{sum(counts[s].values()):>{wide}}" for s in splits))
    return "\n".join(lines)
