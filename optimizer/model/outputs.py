"""The outputs of an answer, each declared once: column, name, symbol, unit, formula.

Tables, charts, the terminal, the app and files take headings, units and the way to write a number from here. A column that is made of a
declared one is declared with it: `band_n_params_low`, `baseline_n_params`, `n_params_low`, `output_low`.
"""

import math
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ..assumptions.numbers import human, in_unit, percent, times, unit_for
from .cache import KEEP_SECONDS

__all__ = [
    "ACROSS",
    "ANSWER",
    "COMPARED",
    "DETAIL",
    "ELASTIC",
    "IMPLIED",
    "INVERSE",
    "MONEY",
    "NARROW",
    "NEEDS",
    "PHASES",
    "POINT",
    "POSITIVE",
    "REVEALED",
    "SENSITIVE",
    "Output",
    "heading",
    "output_of",
    "quantity_text",
    "range_text",
    "short",
    "units_of",
    "with_unit",
    "written",
]

MONEY = "money"
"""Stands for FLOP or USD, whichever the scenario's `money.unit` says."""

Kind = Literal["number", "ratio", "share", "count", "whole"]

_WHOLE = ("chips", "sequences")
"""Units of numbers that are written without a fraction."""


class Output(NamedTuple):
    """One column of an answer."""

    column: str
    name: str
    symbol: str
    """the paper's letter, or a word, for narrow headings; "" without one"""
    unit: str
    formula: str = ""
    kind: Kind = "number"
    """how it is written: 111B, 52.4x, 17 %, 52.43 and 1,049, or always 52 and 1,049"""


PHASES = {"pretraining": "pre-training", "rl": "RL", "prefill": "prefill", "decode": "decode"}
"""The parts of a cost, by column and by name."""

_DECLARED = (
    Output("n_params", "active parameters", "N*", "parameters"),
    Output("train_tokens", "training tokens", "D*", "tokens"),
    Output("rl_tokens", "RL tokens", "R*", "tokens"),
    Output("tokens_per_param", "tokens per parameter", "D*/N*", "tokens/parameter", "D/N", "count"),
    Output("overtraining_vs_rule_of_20", "over-training", "D*/20N*", "1", "D/(20 N)", "ratio"),
    Output("overtraining_vs_law", "over-training", "D*/D0", "1", "D/D0(N), D0(N) compute-optimal under the law", "ratio"),
    Output("loss", "loss", "L", "nat/token", "E + l(N, D)"),
    *(Output(f"cost_{phase}", f"cost of {name}", name, MONEY) for phase, name in PHASES.items()),
    Output("cost_total", "cost over the life", "cost", MONEY, "sum of the phases, at present value"),
    Output("cost_nominal", "cost without discounting", "nominal", MONEY, "sum of the phases, each month at its own prices"),
    Output("total_params", "total parameters", "M", "parameters", "active parameters times total over active"),
    Output("chip_hours", "chip-hours of pre-training", "chip-hours", "chip-hours", "k N D / (3600 peak mfu)"),
    Output("training_days", "days of pre-training on the fleet", "training days", "days", "chip-hours / (24 fleet)"),
    Output("serving_chips", "serving chips in the busiest month", "serving chips", "chips", kind="whole"),
    Output("serving_chips_at_peak", "serving chips at its peak", "peak chips", "chips", kind="whole"),
    Output("training_mwh", "energy of pre-training", "training energy", "MWh", "chip-hours x watts"),
    Output("serving_kw", "power of the serving chips at the peak", "power", "kW", "chips at the peak x watts"),
    Output("kwh_per_mtok", "energy of serving", "energy", "kWh/Mtok"),
    Output("energy_usd_per_mtok", "electricity of serving", "electricity", "USD/Mtok", "kWh x USD/kWh"),
    Output("cost_research", "cost of research runs", "research", MONEY, "(overhead - 1) / overhead of pre-training and of RL"),
    Output("savings", "savings against the Chinchilla plan", "savings", "1", "1 - cost / cost of that plan", "share"),
    Output("excess_cost", "cost above the optimum", "extra cost", "1", "cost / least cost - 1", "share"),
    Output("regret", "regret", "regret", "1", "cost / least cost of that case - 1", "share"),
    Output("kkt_residual", "KKT residual", "residual", "1"),
    Output("band_tolerance", "tolerance of the band", "band", "1", kind="share"),
    Output("implied_tokens", "implied lifetime tokens", "implied T", "tokens"),
    Output("implied_tokens_per_day", "implied tokens per day", "implied T a day", "tokens/day"),
    Output("implied_input_tokens", "implied input tokens", "implied input", "tokens"),
    Output("implied_output_tokens", "implied output tokens", "implied output", "tokens"),
    Output("implied_per_train_token", "implied tokens per training token", "T/D", "1", "T/D"),
    Output("implied_scale", "implied traffic over the scenario's", "x own traffic", "1"),
    Output("solve_difference", "N* at the implied traffic against the size", "difference", "1", "N*/N - 1"),
    Output("cost_vs_optimum", "cost over the least cost", "cost ratio", "1", kind="ratio"),
    Output("cost_vs_today", "cost over today's", "cost ratio", "1", kind="ratio"),
    Output("factor", "factor over the step before", "factor", "1", kind="ratio"),
    Output("cost", "cost", "cost", MONEY),
    Output("share", "share", "share", "1", kind="share"),
    Output("answered", "answered", "answered", "1", kind="share"),
    Output("quantile", "quantile", "quantile", "1", kind="share"),
    Output("in_band_share", "share within the band", "in band", "1", kind="share"),
    Output("weight", "weight", "weight", "1", kind="share"),
    Output("probability", "probability", "probability", "1", kind="share"),
    Output("served_tokens", "lifetime tokens served", "served T", "tokens"),
    Output("plan_tokens", "lifetime tokens of the plan", "planned T", "tokens"),
    Output("future_tokens", "lifetime tokens of the future", "future T", "tokens"),
    Output("best_cost", "least cost", "least cost", MONEY),
    Output("expected_cost", "expected cost", "expected cost", MONEY),
    Output("excess", "expected cost over a perfect forecast's", "excess", "1", kind="share"),
    Output("max_regret", "largest regret", "largest regret", "1", kind="share"),
    Output("worst_future", "lifetime tokens at the largest regret", "worst T", "tokens"),
    Output("trained_on", "tokens it was trained on", "trained on", "tokens"),
    Output("days", "days in service", "days", "days"),
    Output("input_tokens_per_day", "input tokens per day", "input", "tokens/day"),
    Output("output_tokens_per_day", "output tokens per day", "output", "tokens/day"),
    Output("users", "users at once", "users", "users", kind="whole"),
    Output("replicas", "replicas", "replicas", "replicas", "users / sequences of a replica, rounded up", "whole"),
    Output("requests_per_second", "requests finished per second", "requests", "1/s", "users x speed / tokens of an answer"),
    Output("first_token_seconds", "time to the first token", "first token", "s"),
    Output("late_step_seconds", "time between two steps of decoding, 99th percentile", "step p99", "s"),
    Output("late_first_token_seconds", "time to the first token, 99th percentile", "first token p99", "s"),
    Output("fewest_chips", "smallest number of chips that does", "fewest chips", "chips", kind="whole"),
    Output("fewest_chips_replica", "chips of a replica there", "per replica", "chips", kind="whole"),
    Output("batch", "batch", "batch", "sequences", kind="whole"),
    Output("target_tokens_per_second", "speed asked for", "asked for", "tokens/s"),
    Output("usd_per_chip_hour", "price of a chip", "chip", "USD/h"),
    Output("chips", "chips", "chips", "chips", kind="whole"),
    Output("prefill_chips", "chips for prompts", "for prompts", "chips", kind="whole"),
    Output("pipeline_stages", "pipeline stages", "stages", "stages"),
    Output("weight_bytes_per_stage", "weights per stage", "weights", "bytes"),
    Output("context_tokens", "context", "context", "tokens"),
    Output("attention_exponent", "exponent of the context read", "exponent", "1"),
    Output("step_ms", "time of a step", "step", "ms"),
    Output("tokens_per_second_per_user", "speed per user", "per user", "tokens/s"),
    Output("tokens_per_second_per_chip", "throughput per chip", "per chip", "tokens/s"),
    Output("usd_per_mtok_decode", "decode cost", "decode", "USD/Mtok"),
    Output("usd_per_mtok_prefill", "prefill cost", "prefill", "USD/Mtok"),
    Output("request_seconds", "time of a request", "request", "s", "first token + (answer - 1) x time of a token"),
    Output("usd_per_mtok_answer", "cost of answers, prompts included", "answers", "USD/Mtok"),
    Output("joules_per_token", "energy of a token", "energy", "J/token"),
    Output("memory_share", "memory used", "memory used", "1", kind="share"),
    Output("drain_seconds", "time to read all of it", "drain", "s"),
    Output("api_usd_per_mtok", "list price of the same mix", "API", "USD/Mtok", "sum of price x share of fresh, cached and output tokens"),
    Output("own_usd_per_mtok", "own cost of a token, all bills", "own", "USD/Mtok", "cost over the life / tokens served"),
    Output("own_serving_usd_per_mtok", "own cost of serving a token", "own serving", "USD/Mtok", "(prefill + decode) / tokens served"),
    Output("break_even_tokens", "lifetime tokens at break-even", "break-even", "tokens", "(pre-training + RL) / (API - own serving)"),
    Output("break_even_tokens_per_month", "tokens per month at break-even", "break-even a month", "tokens/month"),
    Output("margin", "margin at this traffic", "margin", "1", "1 - own / API", "share"),
    *(Output(f"{name}_usd_per_mtok", f"list price of {what}", what, "USD/Mtok") for name, what in (
        ("input", "input"), ("output", "output"), ("cache_read", "reads from the cache"), ("cache_write", "writes to the cache"))),
    Output("usd_per_mtok_hour", "cost of storage", "storage", "USD/(Mtok h)"),
    *(Output(f"usd_per_mtok_{time}", f"cost of {time} and a read", time, "USD/Mtok") for time in KEEP_SECONDS),
)  # fmt: skip
_BY_COLUMN = {output.column: output for output in _DECLARED}
_BEFORE = {
    "band_": ("{}", "{}"),
    "baseline_": ("{} of the Chinchilla plan", "{}, Chinchilla"),
    "extrapolation_": ("{} over the largest of the law's fit", "{} over fit"),
    "posterior_": ("{} over the law's posterior", "{}, posterior"),
    "across_laws_": ("{} across laws", "{}, laws"),
}
_AFTER = {"_low": ("{}, lowest", "{} from"), "_high": ("{}, highest", "{} to")}

POSITIVE = (
    "n_params",
    "train_tokens",
    "rl_tokens",
    "tokens_per_param",
    "overtraining_vs_rule_of_20",
    "overtraining_vs_law",
    "loss",
    *(f"cost_{phase}" for phase in PHASES),
    "cost_total",
)
"""Outputs of every answer that are positive numbers, in their order."""
ANSWER = (*POSITIVE, "kkt_residual")
"""Numeric columns of an answer of `solve_batch`."""
SENSITIVE = ("overtraining_vs_rule_of_20", "n_params", "train_tokens", "cost_total", "overtraining_vs_law")
"""Outputs of an analysis unless others are asked for, the default of a single one first."""
ELASTIC = (*SENSITIVE, "rl_tokens")
"""Outputs that have elasticities."""
COMPARED = (*POSITIVE, "savings", "band_n_params_low", "band_n_params_high")
"""Outputs in a comparison of plans."""
NARROW = (
    "n_params",
    "band_n_params_low",
    "band_n_params_high",
    "train_tokens",
    "rl_tokens",
    "overtraining_vs_rule_of_20",
    "overtraining_vs_law",
    "loss",
    "cost_total",
    "savings",
)
"""Outputs of a table that fits on a page."""
IMPLIED = ("implied_tokens", "implied_per_train_token", "implied_scale", "excess_cost")
"""Further outputs of such a table where sizes are decided."""
ACROSS = tuple(
    f"across_laws_{name}_{end}" for name in ("n_params", "overtraining_vs_rule_of_20") for end in ("low", "high")
)
"""Ends of the interval across laws, in tables that ask for them."""
REVEALED = (
    "overtraining_vs_rule_of_20",
    "overtraining_vs_law",
    *(
        f"implied_{name}{end}"
        for name in ("per_train_token", "tokens", "tokens_per_day")
        for end in ("", "_low", "_high")
    ),
    "probability",
)
"""Outputs of a design that was built: what it says about the traffic expected."""
INVERSE = (
    *POSITIVE[: POSITIVE.index("loss") + 1],
    *(f"implied_{name}" for name in ("tokens", "input_tokens", "output_tokens", "per_train_token", "scale")),
    "solve_difference",
    "cost_total",
    "excess_cost",
)
"""Outputs of a size that is decided."""
POINT = (
    "batch",
    "step_ms",
    "tokens_per_second_per_user",
    "tokens_per_second_per_chip",
    "usd_per_mtok_decode",
    "usd_per_mtok_prefill",
    "memory_share",
)
"""Numbers of an operating point."""
NEEDS = (
    "total_params",
    "chip_hours",
    "training_days",
    "serving_chips",
    "serving_chips_at_peak",
    "own_usd_per_mtok",
    "own_serving_usd_per_mtok",
    "training_mwh",
    "serving_kw",
    "kwh_per_mtok",
    "energy_usd_per_mtok",
)
"""What a design needs to be trained and served, and what a token then costs."""
DETAIL = (
    "baseline_n_params",
    "baseline_train_tokens",
    "baseline_cost_total",
    "savings",
    "extrapolation_n_params",
    "extrapolation_train_tokens",
    "extrapolation_tokens_per_param",
)
"""Further columns of an answer, where they are asked for."""


def output_of(column: str) -> Output | None:
    """The declaration of a column, or of the column that it is made of; None where it is no output.

    >>> output_of("band_n_params_low").name, output_of("extrapolation_n_params").kind, output_of("law")
    ('active parameters, lowest', 'ratio', None)

    """
    if found := _BY_COLUMN.get(column):
        return found
    for before, (name, symbol) in _BEFORE.items():
        if column.startswith(before) and (inner := output_of(column.removeprefix(before))):
            far = before == "extrapolation_"
            return Output(
                column,
                name.format(inner.name),
                symbol.format(inner.symbol),
                "1" if far else inner.unit,
                kind="ratio" if far else inner.kind,
            )
    for after, (name, symbol) in _AFTER.items():
        if column.endswith(after) and (inner := output_of(column.removesuffix(after))):
            return inner._replace(column=column, name=name.format(inner.name), symbol=symbol.format(inner.symbol))
    return None


def units_of(columns: Iterable[str], money: str) -> dict[str, str]:
    """The unit of each column that is an output; `money` is "FLOP" or "USD"."""
    found = {column: output_of(column) for column in columns}
    return {column: money if o.unit == MONEY else o.unit for column, o in found.items() if o}


def heading(column: str) -> str:
    """What people call a column: its name, and its symbol where that says more.

    >>> heading("n_params"), heading("band_n_params_low"), heading("cost_total"), heading("status_low")
    ('active parameters N*', 'active parameters, lowest', 'cost over the life', 'status low')

    """
    output = output_of(column)
    if output is None:
        return column.replace("_", " ")
    letters = (
        output.symbol
        if column in _BY_COLUMN and any(c.isupper() for c in output.symbol) and "*" in output.symbol
        else ""
    )
    return output.name if not letters or letters in output.name else f"{output.name} {letters}"


def short(column: str) -> str:
    """The symbol of a column, for narrow tables."""
    output = output_of(column)
    return output.symbol if output and output.symbol else column.replace("_", " ")


def with_unit(column: str, unit: str) -> str:
    """The heading of a column with its unit where the heading does not say it."""
    said = unit in ("1", "") or re.search(rf"(?<!\w){re.escape(unit)}(?!\w)", heading(column))
    return heading(column) + ("" if said else f" ({unit})")


def written(value: float, column: str, digits: int = 0, unit: str = "") -> str:
    """A number of a column as people write it; "" for NaN. `unit` is the unit of a number that is not an output.

    `digits` are significant ones; 0 gives ratios and shares three and all others four. Whole numbers keep all of theirs.

    >>> written(1318.4, "overtraining_vs_law"), written(0.1745, "savings"), written(1.114e11, "n_params"), written(float("nan"), "loss")
    ('1,318x', '17.4 %', '111.4B', '')
    >>> written(226.3, "batch"), written(2400.2, "balance batch", unit="sequences"), written(52.43, "tokens_per_param")
    ('226', '2,400', '52.43')
    >>> written(0.1745, "savings", 2), written(52.4312, "overtraining_vs_law", 5)
    ('17 %', '52.431x')

    """
    if math.isnan(value):
        return ""
    output = output_of(column)
    kind = output.kind if output else "whole" if unit in _WHOLE else "number"
    if (kind == "whole" or (kind == "count" and abs(value) >= 1e3)) and abs(value) < 1e9:
        return f"{value:,.0f}"
    if kind in ("ratio", "share"):
        return times(value, digits or 3) if kind == "ratio" else percent(value, digits or 3)
    return human(value, digits or 4)


def quantity_text(value: float, unit: str, column: str = "") -> str:
    """A number with its unit, for labels and tooltips, to three digits; "n/a" for NaN.

    >>> quantity_text(1.114e11, "parameters"), quantity_text(52.43, "1", "overtraining_vs_law"), quantity_text(0.25, "1")
    ('111B parameters', '52.4x', '0.25')
    >>> quantity_text(1.21e13, "bytes"), quantity_text(512, "bytes"), quantity_text(1.07e4, "GB")
    ('12.1 TB', '512 bytes', '10.7 TB')

    """
    text, said = in_unit(written(value, column, 3, unit) or "n/a", unit)
    return text if said in ("1", "") else f"{text} {said}"


def range_text(low: float, high: float, unit: str, column: str = "") -> str:
    """Two ends with their unit, as `quantity_text` writes them.

    >>> range_text(9.9e10, 1.3e11, "parameters", "n_params"), range_text(25.0, 106.2, "1", "overtraining_vs_law")
    ('99B to 130B parameters', '25x to 106x')

    """
    said, factor = unit_for((low, high), unit)
    return f"{quantity_text(low / factor, '1', column)} to {quantity_text(high / factor, said, column)}"
