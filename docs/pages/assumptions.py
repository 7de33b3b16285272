"""Writes docs/assumptions.md: the reference of every dotted path, from the declarations themselves.

`python -m docs.pages.assumptions > docs/assumptions.md` renews the page; a test fails when it is stale.
"""

import sys
from collections.abc import Iterator

from optimizer.assumptions.numbers import human
from optimizer.assumptions.published_laws import law_names
from optimizer.assumptions.quantity import Assumption, blocks_in
from optimizer.assumptions.scenario import Scenario
from optimizer.assumptions.tables import rows
from optimizer.assumptions.validation import allowed

__all__ = ["reference"]

_HEAD = """# Every assumption

One scenario is one TOML file. `overtrain presets NAME > my.toml` gives one to start from; `--set PATH=VALUE` replaces a number by its path.
This page is written from the code: `python -m docs.pages.assumptions > docs/assumptions.md`.

## How numbers are written

Everywhere the same: in TOML as text, with `--set` and `--over`, in CSV files, in text columns of Parquet files, in links and in the app.

| written | means |
|---|---|
| `2500`, `2.5e3`, `1.5E+12`, `.5` | decimals with a point, an exponent after `e` |
| `8B`, `1.2T`, `150 K` | K 1e3, M 1e6, B or G 1e9, T 1e12, P or Q 1e15 |
| `1_000`, `1,000,000`, `1 000 000`, `1'000'000` | thousands; commas where there are two of them or decimals too (`1,234.5`) |
| `1/3`, `38%` | fractions; percent for numbers without unit and for rates per month |
| `$3.50` | prices in USD |

Refused with a sentence: `1,5`, `1,000` and `1.000.000`, which mean decimals to some and thousands to others; a percent sign on a count;
digits other than 0 to 9; `nan` and infinities; a number too close to 0 to be held. `--set PATH=none` leaves a number or a block out, and
`--set 'rl={policy="none"}'` gives a block as TOML.

## Uncertain numbers

Column "uncertain" is the factor within which sensitivity analysis moves a number around the scenario's own value. Numbers without one are
facts or choices and stay as they are, unless a call names them ([sensitivity.md](sensitivity.md)). The coefficients of the law move
together, as one law.

## Names, blocks and tables

A law, a chip or a published traffic total is a name, or a
block with a `name` and the values that differ:

    law = "besiroglu"

    [money]
    serve_chip = { name = "H100 SXM", precision = "fp8", usd_per_chip_hour = 2.0 }

A monthly forecast is a list of consecutive months, or `file`, a [CSV, TSV or Excel file](traffic.md) with months or days
of tokens or of requests times tokens per request:

    [traffic]
    kind = "table"
    table = [
      { month = "2026-06", input_tokens_per_day = 8e11, output_tokens_per_day = 2e11 },
      { month = "2026-07", input_tokens_per_day = 9e11, output_tokens_per_day = 2e11 },
    ]

A table `[sources]` maps dotted paths to where your own numbers come from; `overtrain sources my.toml` shows them with the others.

What a file leaves out has its default, also where a change names one field of a block: `--set money.serve_chip.usd_per_chip_hour=3` keeps
the default chip and replaces its price. `schema_version = 2` at the top of a file, `"schema_version": 2` in a file of pins and `v=2` in a
link of the app say which form of a scenario they are written in. A file without it is
of the form of now, a link or a file of pins of the form before, which is still read: in it a placement is given where nothing is said of
`deployment.placement`. A newer one than this version of Overtrain can read is refused.
"""


def reference() -> str:
    """The page, as Markdown."""
    lines = [_HEAD]
    for name, info in Scenario.model_fields.items():
        blocks = tuple(dict.fromkeys(blocks_in(info.annotation)))
        if not blocks:
            continue
        lines.append(f"\n## {name}\n\n{info.description or _first_line(blocks[0])}\n")
        for block in blocks:
            if block.tag:
                lines.append(
                    f'\n### {name}.{block.tag} = "{block.model_fields[block.tag].default}"\n\n{_first_line(block)}\n'
                )
            table = [*_rows(block, f"{name}.")]
            if table:
                lines.append(
                    "\n| path | unit | default | allowed | plausible | uncertain | meaning |\n|---|---|---|---|---|---|---|\n"
                )
                lines += table
    chips = ", ".join(r["chip"] for r in rows("hardware"))
    totals = ", ".join(r["key"] for r in rows("traffic") if r["counts"] == "input+output")
    lines.append(
        f"\n## Names\n\nLaws: {', '.join(law_names())}.\n\nChips: {chips}.\n\nPublished traffic totals: {totals}.\n"
    )
    return "".join(lines)


def _first_line(block: type[Assumption]) -> str:
    return (block.__doc__ or "").strip().splitlines()[0]


def _rows(block: type[Assumption], prefix: str) -> Iterator[str]:
    for name, info in block.model_fields.items():
        declared = block.quantity(name)
        if declared is not None:
            default = "required" if info.is_required() else "" if info.default is None else human(info.default)
            span = (
                ""
                if declared.low is None or declared.high is None
                else f"{human(declared.low)} to {human(declared.high)}"
            )
            bounds = allowed(block, name)
            spread = f"x/÷ {declared.uncertain:g}" if declared.uncertain else ""
            yield f"| `{prefix}{name}` | {declared.unit} | {default} | {bounds} | {span} | {spread} | {declared.about} |\n"
        else:
            for inner in dict.fromkeys(blocks_in(info.annotation)):
                yield from _rows(inner, f"{prefix}{name}{'[1]' if 'tuple' in str(info.annotation).lower() else ''}.")


if __name__ == "__main__":
    sys.stdout.write(reference())
