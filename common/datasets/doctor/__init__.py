"""``python -m common.datasets doctor``: what a copy holds, and what is wrong with it."""

from __future__ import annotations

from common.datasets.doctor.examine import examine
from common.datasets.doctor.report import Report

__all__ = ["Report", "examine"]
