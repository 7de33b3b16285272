"""`overtrain mcp`: the library as tools of the Model Context Protocol, for programs that plan with a language model.

A tool returns what its command prints with --json, without an answer too. Bad input is an error of the tool, with the same sentences.
"""

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from ._common import LECTURE, reporting_errors, scenario_with

__all__ = ["mcp"]

Object = dict[str, Any]
Number = float | str
Names = list[str] | None
Asked = Annotated[str | Object, Field(description="Preset, path of a TOML file, or an object of the tool schema.")]
Changes = Annotated[Object | None, Field(description='By dotted path: {"traffic.output_tokens": "500T"}.')]
Band = Annotated[float, Field(gt=0, le=1, description="Tolerance of the near-optimal band, a share of the cost.")]


def solve(scenario: Asked = LECTURE, changes: Changes = None, band: Band = 0.05, against: Names = None) -> Object:
    """The optimal parameters and training tokens for the traffic of a scenario, with band, over-training and certificate.
    `against`: list prices of APIs to compare with, ["GPT-5"].
    """
    from .solve import answer, plain

    return plain(*answer(scenario_with(scenario, changes, []), band, against))


def cost(
    scenario: Asked = LECTURE, params: Number = "", tokens: Number = "", flops: Number = "", rl_tokens: Number = "",
    changes: Changes = None, band: Band = 0.05,
) -> Object:  # fmt: skip
    """What a given design costs, which limits it keeps, and what the best design of the same loss would save.

    Two of params, tokens and flops give the design, as numbers or text ("405.85B"); rl_tokens where rl.policy is "optimised".
    """
    from ..optimum.given import cost, design_from
    from .cost import amounts
    from .solve import plain

    given = amounts(params, tokens, flops, rl_tokens, problems := [], dashes=False)
    question = scenario_with(scenario, changes, problems)
    return plain(cost(question, design_from(question, *given), band=band), {})


def table(
    scenario: Asked = LECTURE, over: dict[str, list[Any]] | None = None, columns: Names = None,
    sizes: list[Number] | None = None, changes: Changes = None, band: Band = 0.05,
) -> Object:  # fmt: skip
    """Optimal sizes over a grid of assumptions, one combination a row: {"over": {"law": ["besiroglu", "hoffmann"]}}.

    `columns` keeps these in addition to the axes. With `sizes`: tokens to train each for, and the traffic that justifies it.
    """
    from ..analysis.inverse import inverse_table
    from ..analysis.sizes import size_table
    from ..report.files.export import encoded

    asked = scenario_with(scenario, changes, [])
    if sizes:
        return json.loads(encoded(inverse_table(asked, sizes, over, columns=columns), "json"))
    return json.loads(encoded(size_table(asked, over, columns=columns, band=band), "json"))


def fit(
    runs: str = "", example: str = "", form: str = "both", where: Object | None = None,
    columns: dict[str, str] | None = None, bootstrap: int = 1000, label: str = "",
) -> Object:  # fmt: skip
    """A scaling law from training runs (parameters, tokens, loss): a CSV file or example "sardana", "gadre" or "gemstones".

    `form`: additive, coupled or both; `where`: {"train_set": "c4"}; `columns`: {"loss": "c4_en"}. "law" of the answer goes into `changes`.
    """
    from ..assumptions.problems import InputError
    from ..evidence.fit import fit
    from ..evidence.fitted import FORMS
    from .fit import plain, runs_of

    path = runs_of(runs, example, problems := [])
    if problems:
        raise InputError(problems)
    forms = FORMS if form == "both" else [form]
    return plain(fit(path, [*forms], where=where, columns=columns, bootstrap=bootstrap, label=label))


def implied(
    model: str = "", params: Number = "", tokens: Number = "", total: Number = "", law: Names = None,
    scenario: Asked = "", changes: Changes = None,
) -> Object:  # fmt: skip
    """The lifetime traffic for which a design is the best one, per law: a released model ("Llama 3 8B"), or params and tokens.

    Without either, that of every released model. `total` counts all parameters of experts; without a scenario 6 N D + 2 N T.
    """
    from ..analysis.released import plain_question
    from .implied import design_asked, plain, traffic

    design = design_asked(model, params, tokens, total, law, problems := [], dashes="")
    asked = scenario_with(scenario or plain_question().to_dict(), changes, problems)
    return plain(traffic(asked, design, law), asked, design)


def presets(name: str = "") -> Object:
    """The scenarios of the package with what each stands for; with a name, one of them as an object to start from."""
    from .presets import plain

    return plain(name)


def schema() -> Object:
    """The JSON Schema of scenarios: every assumption with its unit, range and source."""
    from ..assumptions.scenario import Scenario

    return Scenario.model_json_schema()


def mcp() -> None:
    """Serve solve, cost, table, fit, implied, presets and schema as tools of the Model Context Protocol, on standard input and output.

    Example: overtrain mcp
    """
    with reporting_errors():
        from .. import __version__
        from ..report.files.export import extra

        module = extra("mcp.server.mcpserver", "overtrain mcp", "mcp")
    server = module.MCPServer("overtrain", version=__version__, instructions=solve.__doc__, log_level="WARNING")
    for tool in (solve, cost, table, fit, implied, presets, schema):
        server.add_tool(_reporting(tool))
    server.run()


def _reporting(tool: Callable[..., Object]) -> Callable[..., Object]:
    """The tool, with the library's sentences as its error."""
    from mcp.server.mcpserver.exceptions import ToolError

    from ..assumptions.problems import InputError
    from ..optimum.solution import InfeasibleError

    @functools.wraps(tool)
    def reported(**given: Any) -> Object:
        try:
            return tool(**given)
        except (InputError, InfeasibleError) as error:
            raise ToolError(str(error)) from None

    return reported
