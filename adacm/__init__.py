"""Ada-CM: an adaptive confidence margin for semi-supervised facial expressions (CVPR 2022)."""
