"""Tables that tests of files write, and the day that they carry."""

import pandas as pd
import pytest

from optimizer import (
    SizeTable,
    inverse_table,
    load,
    size_table,
    wide,
)

NASTY = [
    '=HYPERLINK("http://x")', "+1", "-1.5", "@SUM(A1)", "\tx", "\rx", "'=x", "''+x", "'plain", "# no comment", " edges ", "a|b", "a\\b",
    "<b>&amp;</b> --> ]]>", "50% $x_1^2$ & #3 {y} ~", "[x]", "line\nbreak", "é 中 ∞", "\\textless{}", "&#9;", "`*a*`", '"quoted", twice"',
]  # fmt: skip


@pytest.fixture(scope="session")
def table() -> SizeTable:
    return size_table(
        load("lecture-2026"), {"traffic.output_tokens": ["20T", "200T"], "law": ["besiroglu", "hoffmann"]}
    )


@pytest.fixture(scope="session")
def tables(table) -> dict[str, SizeTable]:
    inverse = inverse_table(load("open-weights-8b"), ["1B", "8B", "70B"])
    nasty = SizeTable(pd.concat([table.iloc[:1]] * len(NASTY), ignore_index=True))
    nasty["message"] = NASTY
    nasty.loc[1, "loss"] = float("inf")
    nasty.attrs = table.attrs
    return {"sizes": table, "inverse": inverse, "wide": wide(table, "law", ["n_params", "status"]), "nasty": nasty}


@pytest.fixture
def day(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")  # 2026-05-28
