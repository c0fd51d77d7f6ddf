"""``python -m common.data doctor``: what a copy of a dataset holds, and what is wrong with it."""

from __future__ import annotations

from common.data.doctor.examine import examine
from common.data.doctor.report import Report

__all__ = ["Report", "examine"]
