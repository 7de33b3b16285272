"""What a heading of a traffic file means: "Input tokens (B) per month" is input, per month, in 1e9.

| heading says | is |
|---|---|
| month, date, day, period, timestamp | when |
| input, prompt; output, completion, generated | tokens read, tokens written |
| tokens, total tokens | both, which needs a share |
| input share, output share | of all tokens |
| cached, cache read, cache hit; uncached, cache miss; cache write, cache creation | input by what the prefix cache did with it |
| cache hit share | cached tokens over all input |
| requests, calls | counts; tokens per request are multiplied by them |
| per day, daily; per month, monthly; per request | what the amount is a rate of |
| (K), (M), (B), (T) in brackets, thousand, million, billion, trillion | the factor of every cell |
| model, project, user, key, cost ... | labels of a usage export, which are not used; rows of one month or day are added |
| remark, note, comment | for people |

Cached tokens are part of the input where the heading has a name by which OpenAI, Gemini or DeepSeek report them, and come on top of it
where Anthropic or Bedrock do; elsewhere the file does not say, and the reader asks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .problems import near_miss, shown

__all__ = ["PER_WORD", "Column", "column_of", "columns_used"]


class Column(NamedTuple):
    """The meaning of a column."""

    heading: str
    what: str
    """when, input, uncached, cached, written_to_cache, output, tokens, input_share, output_share, cache_hit_share, requests; label or
    remark, which are not read; life for a share of the whole life; empty where the heading says nothing known"""
    per: str = ""
    """day, month, request; empty where the heading does not say"""
    scale: float = 1.0
    """factor of every cell"""
    cached: str = ""
    """inside or outside the input, where the name of a cached column says so"""


PER_WORD = {"day": "tokens per day", "month": "totals per month"}
KNOWN = (
    "month", "date", "input_tokens_per_day", "output_tokens_per_day", "input_tokens_per_month", "output_tokens_per_month", "input_tokens",
    "output_tokens", "cached_tokens", "tokens_per_day", "tokens_per_month", "input_share", "requests_per_day", "requests",
    "input_tokens_per_request", "output_tokens_per_request",
)  # fmt: skip
"""Headings to suggest for one that is not known."""

_SCALES = {
    **dict.fromkeys(("k", "thousand", "thousands"), 1e3),
    **dict.fromkeys(("m", "mm", "mn", "million", "millions", "mtok", "mtokens"), 1e6),
    **dict.fromkeys(("b", "bn", "billion", "billions", "btok", "btokens"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion", "trillions", "ttok", "ttokens"), 1e12),
}
_PER = {
    "day": r"\b(?:per|a|each|/) ?days?\b|\bdaily\b|/ ?d\b",
    "month": r"\b(?:per|a|each|/) ?months?\b|/ ?(?:month|mo)\b|\bmonthly\b",
    "request": r"(?:\b(?:per|a|each)|/) ?(?:requests?|calls?|query|prompt)\b",
}
_LABELS = frozenset(
    (
        "model", "models", "project", "workspace", "user", "key", "api", "organization", "organisation", "team", "region", "tier",
        "service", "name", "id", "cost", "costs", "amount", "usd", "price", "spend", "currency", "provider", "endpoint",
    )
)  # fmt: skip
_INSIDE = frozenset(
    (
        "cached tokens",
        "input cached tokens",
        "cached input tokens",
        "prompt cache hit tokens",
        "cached content token count",
    )
)
_OUTSIDE = frozenset(("cache read input tokens", "cache read input token count", "usage input tokens cache read"))


def column_of(heading: str) -> Column:
    """The meaning of a heading.

    >>> column_of("Input tokens (B) per month")[1:4], column_of("cacheReadInputTokens").cached, column_of("Eingabe").what
    (('input', 'month', 1000000000.0), 'outside', '')

    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading.strip().strip("\ufeff'").strip())
    text = re.sub(r"[\s_-]+", " ", text).lower().strip()
    per = next((name for name, form in _PER.items() if re.search(form, text)), "")
    if per:
        text = re.sub(_PER[per], " ", text)
    aside = {word for inside in re.findall(r"[(\[]([^)\]]*)[)\]]", text) for word in re.findall("[a-z]+", inside)}
    words = re.findall(r"[a-z%]+", text)
    scales = [word for word in words if word in _SCALES and (len(word) > 2 or word in aside)]
    scale = _SCALES[scales[0]] if scales else 1.0
    kept = [word for word in words if word not in scales]
    name = " ".join(kept)
    cached = "inside" if name in _INSIDE else "outside" if name in _OUTSIDE else ""
    return Column(heading, _what({*kept}, name), per, scale, cached)


def _what(words: set[str], name: str) -> str:
    share = bool(words & {"share", "%", "fraction", "percent", "rate"})
    tokens = bool(words & {"tokens", "token", "tok"})
    read, written = bool(words & {"input", "prompt", "in"}), bool(words & {"output", "completion", "generated", "out"})
    cases = (
        (bool(words & {"remark", "remarks", "note", "notes", "comment", "comments"}), "remark"),
        (name in ("share", "ship probability"), "life"),
        (bool(words & {"uncached", "miss"}) or {"no", "cache"} <= words, "uncached"),
        ("cache" in words and bool(words & {"write", "creation", "written"}), "written_to_cache"),
        (bool(words & {"cache", "cached"}), "cache_hit_share" if share else "cached"),
        (read and not written, "input_share" if share else "input"),
        (written and not read, "output_share" if share else "output"),
        (tokens and words <= {"tokens", "token", "tok", "total", "all", "number", "of"}, "tokens"),
        (bool(words & {"requests", "request", "calls", "queries"}) and not tokens, "requests"),
        (bool(words & {"month", "date", "day", "period", "timestamp", "week"}) and not tokens, "when"),
        (bool(words & _LABELS) and not tokens, "label"),
    )
    return next((what for holds, what in cases if holds), "")


def columns_used(
    path: str, columns: Sequence[Column], options: Mapping[str, Any], problems: list[str]
) -> dict[str, tuple[int, Column]]:
    """Position and meaning of each column that is read, by what it is.

    Args:
        path: of the file, for sentences.
        columns: of the file, in order.
        options: answers to what the headings leave open, as in `traffic_file`.
        problems: sentences are added to it: a column is missing, unknown or there twice, or its meaning is open.

    """
    used: dict[str, tuple[int, Column]] = {}
    for i, column in enumerate(columns):
        quoted = shown(column.heading)
        if column.what in ("remark", "label"):
            continue
        if column.what == "life":
            name = column.heading.lower().replace(" ", "_")
            problems.append(
                f"{path} has a column {name}, which is one number for all months: remove it and set traffic.{name}."
            )
        elif not column.what:
            hint = near_miss(column.heading.lower().replace(" ", "_"), KNOWN)
            problems.append(f"{path} has an unknown column {quoted}{hint} Remove it, or name it remark.")
        elif column.what in used:
            other = shown(used[column.what][1].heading)
            problems.append(f"{path} has two columns of one meaning, {other} and {quoted}; keep one.")
        else:
            used[column.what] = (i, column)
    if {"input", "uncached"} & {*used} and "output" in used:
        used.pop("tokens", None)
    asks_requests = any(column.per == "request" for _, column in used.values())
    if not asks_requests:
        used.pop("requests", None)
    missing = _missing(used, asks_requests)
    if missing:
        has = ", ".join(shown(c.heading) for c in columns[:20]) + (", ..." if len(columns) > 20 else "")
        problems.insert(
            0,
            f"{path} has no column {', '.join(missing)}; its header must name month or date, and tokens, such as {', '.join(KNOWN[:4])}. "
            f"It has {has or 'no columns'}.",
        )
    shares = {"input_share", "output_share"} & {*used} or "input_share" in options
    if "tokens" in used and not shares:
        problems.append(
            f"{path} has one column of tokens, {shown(used['tokens'][1].heading)}, and does not say which of them are input: "
            'add a column input_share, or give traffic.file = {path = "...", input_share = 0.78}.'
        )
    if "cached" in used and not ("cached" in options or used["cached"][1].cached or "uncached" in used):
        problems.append(
            f"{path} has a column {shown(used['cached'][1].heading)} and does not say whether the input contains these tokens (as OpenAI "
            "and Gemini count) or not (as Anthropic and Bedrock do): give "
            'traffic.file = {path = "...", cached = "inside"}, or "outside".'
        )
    return used


def _missing(used: Mapping[str, tuple[int, Column]], requests: bool) -> list[str]:
    """Names of the columns that a table of traffic needs and this one lacks."""
    missing = [] if "when" in used else ["month or date"]
    if "tokens" not in used:
        missing += [] if {"input", "uncached"} & {*used} else ["input_tokens"]
        missing += [] if "output" in used else ["output_tokens"]
    return missing + (["requests"] if requests and "requests" not in used else [])
