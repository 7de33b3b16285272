"""`overtrain sources`: where the numbers of a scenario come from."""

from typing import Annotated

import typer

from ._common import LECTURE, AsJson, ScenarioName, Settings, reporting_errors, scenario_with, show, show_json, write

__all__ = ["sources"]


def sources(
    scenario: ScenarioName = LECTURE,
    set_: Settings = None,
    table: Annotated[str, typer.Option(help="Print this table of sourced data instead.", metavar="TABLE")] = "",
    json_: AsJson = False,
) -> None:
    """Show where every number of a scenario comes from, or print a table of sourced data.

    Example: overtrain sources --table hardware
    """
    with reporting_errors(json_):
        from ..assumptions.library import sources as sources_of
        from ..assumptions.tables import rows, table_names
        from ..report.terminal import grid
        from ..report.text import source_rows

        if table:
            numeric = {c["column"] for c in rows("columns") if c["table"] == table}
            rows_shown = [{k: float(v) if v and k in numeric else v or None for k, v in r.items()} for r in rows(table)]
        else:
            rows_shown = sources_of(scenario_with(scenario, set_, [])).to_dict("records")
        if json_:
            show_json(rows_shown)
            return
        if table:
            write("".join("; ".join(f"{k} {v}" for k, v in record.items() if v) + "\n" for record in rows_shown))
        else:
            show(grid(["assumption", "value", "unit", "kind", "source"], source_rows(rows_shown), text_columns=1))
            write(f"Tables, with overtrain sources --table NAME: {', '.join(table_names())}.\n")
