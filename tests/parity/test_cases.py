"""Every shipped parity case of every package that exists: what the authors' code gave, we give."""

from __future__ import annotations

import pytest

from benchmarks.parity.cases import find_adapter, find_cases, load_case
from benchmarks.parity.command import SHIPPED, run_case

CASES = {path.stem: path for path in find_cases(SHIPPED)}
PACKAGES = ("s2ver", "adacm", "dimva", "ssfer", "webemotion")


def of_a_package(name: str) -> bool:
    return name.split("_")[0] in PACKAGES


@pytest.mark.parametrize("name", [name for name in CASES if of_a_package(name)])
def test_case_passes(name):
    result = run_case(load_case(CASES[name]))
    assert result.status == "passed", result.message


@pytest.mark.parametrize("package", PACKAGES)
def test_every_kind_of_the_package_has_an_adapter(package):
    kinds = {load_case(path).kind for name, path in CASES.items() if name.startswith(package)}
    assert kinds
    assert [kind for kind in kinds if find_adapter(kind) is None] == []
