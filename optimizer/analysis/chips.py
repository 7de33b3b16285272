"""Every chip with a price under one offer, on one chart: cost of a decoded token against the speed that a user sees.

A chip's curve is the lower envelope over its placements (`model.placements`) and batches: no other placement of the chip is both faster
and cheaper. Prices are those of one offer, so that an on-demand hour is not compared with an hour of a three-year rental.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assumptions.numbers import SECONDS_PER_HOUR
from ..assumptions.problems import InputError, near_miss
from ..assumptions.speed import load_factor
from ..assumptions.tables import rows
from ..model.placements import placements
from ..model.replica import memory_batch, replica
from ..model.roofline import usd_per_decode_token, user_step
from .placement import MILLION, Placement, misfits, operating_point, place_of, points_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OFFERS", "chip_comparison", "chip_frontier", "measured_points"]

OFFERS = ("on-demand", "3-year rental, 25% upfront", "owned TCO neocloud", "owned TCO hyperscaler")
"""Offers that several chips have a price for."""
BATCHES = 48
_WIDER = {"fp4": ("fp4", "fp8", "bf16"), "fp8": ("fp8", "bf16"), "int8": ("int8", "bf16"), "bf16": ("bf16",)}
"""A precision, and the wider ones that a chip without it serves at."""


def _offered(offer: str) -> dict[str, Mapping[str, str]]:
    """The price row of each chip under an offer: that of data/hardware.csv, else the first of data/hardware_prices.csv."""
    found: dict[str, Mapping[str, str]] = {}
    for r in rows("hardware"):
        if r["usd_per_chip_hour"] and r["price_offer"] == offer:
            found[r["chip"]] = {"usd": r["usd_per_chip_hour"], "as_of": r["price_as_of"]}
    for r in rows("hardware_prices"):
        if r["offer"] == offer and r["usd_per_chip_hour"]:
            found.setdefault(r["chip"], {"usd": r["usd_per_chip_hour"], "as_of": r["as_of"]})
    return found


def _on_chips(s: Placement, offer: str) -> list[tuple[dict[str, Any], list[Placement], str]]:
    """Each chip: what its rows begin with, its placements, and why it has none."""
    if offer not in OFFERS:
        raise InputError([f"offer {offer!r} is unknown{near_miss(offer, OFFERS)} Offers: {', '.join(OFFERS)}."])
    priced, wanted = _offered(offer), s.scenario.money.serve_chip.precision
    free = {f"deployment.{field}": None for field in ("chips", "parallelism", "pipeline_stages")}
    any_place = (s.scenario if s.asked is None else s.asked).update({**free, "deployment.placement": "best"})
    found = []
    for r in rows("hardware"):
        if not r["hbm_bytes_per_second"]:
            continue
        head = {"chip": r["chip"], "offer": offer}
        if r["chip"] not in priced:
            found.append((head, [], f"no {offer} price on record"))
            continue
        usd, year = priced[r["chip"]]["usd"], priced[r["chip"]]["as_of"][:4]
        has = [p for p in _WIDER[wanted] if r[f"{p}_flops_per_second"]]
        head |= {"usd_per_chip_hour": float(usd), "price_year": year}
        if not has:
            found.append((head, [], f"no {wanted} peak on record"))
            continue
        chip = {"name": r["chip"], "precision": has[0], "usd_per_chip_hour": float(usd)}
        moved = any_place.update({"money.serve_chip": chip})
        head["precision"] = has[0]
        found.append((head, [s._replace(scenario=p, asked=None) for p in placements(moved, decoding=True)], ""))
    return found


def _points(s: Placement, *, whole: bool) -> list[dict[str, Any]]:
    """Speed and cost of a placement at the deployment's own batch, or at all that its memory holds; none where not one sequence fits."""
    r = replica(s.scenario, s.n_params)
    if misfits(s):
        return []
    most = float(memory_batch(r)) if whole else operating_point(s)["batch"]
    batch = np.geomspace(1.0, most, BATCHES) if whole else np.array([most])
    speed = np.asarray(r.kept_tokens / user_step(s.scenario, r, batch))
    cost = MILLION * np.asarray(usd_per_decode_token(s.scenario, r, batch))
    place = place_of(s.scenario)
    figures = (
        "batch",
        "tokens_per_second_per_user",
        "tokens_per_second_per_chip",
        "usd_per_mtok_decode",
        "joules_per_token",
    )
    rate = batch * speed / place["chips"]
    points = np.stack([batch, speed, rate, cost, 1e3 * s.scenario.money.serve_chip.kw / rate], axis=1).tolist()
    return [{**place, **dict(zip(figures, p, strict=True))} for p in points]


def _envelope(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points that no other is both faster and cheaper than, slowest first."""
    kept, least = [], np.inf
    for p in sorted(points, key=lambda p: (-p["tokens_per_second_per_user"], p["usd_per_mtok_decode"])):
        if p["usd_per_mtok_decode"] < least:
            least = p["usd_per_mtok_decode"]
            kept.append(p)
    return kept[::-1]


def chip_frontier(s: Placement, offer: str = "on-demand") -> "pd.DataFrame":
    """Decode cost against speed per user of every chip, each at its best placement.

    Args:
        s: a model; its chip's precision is asked of every chip, and a chip without it serves at the next wider one.
        offer: one of `OFFERS`; chips without such a price are left out.

    Returns:
        One row for each point of a chip's envelope: chip, offer, usd_per_chip_hour, price_year, precision, chips (of a replica and stage),
        parallelism, pipeline_stages, batch, tokens_per_second_per_user, tokens_per_second_per_chip, usd_per_mtok_decode,
        joules_per_token (1 J per token is a million tokens a second per MW).

    Raises:
        InputError: the offer is unknown.

    Limits: batches are those that memory holds, on a grid of 48 from 1; the roofline's own limits hold (docs/serving.md).

    """
    records = [
        {**head, **p}
        for head, found, _ in _on_chips(s, offer)
        for p in _envelope([q for at in found for q in _points(at, whole=True)])
    ]
    return points_frame(records)


def chip_comparison(s: Placement, offer: str = "on-demand") -> "pd.DataFrame":
    """The same model on every chip under one offer, in the order of data/hardware.csv.

    Args:
        s: a model; see `chip_frontier`. Its batch, or the speed it promises, holds on every chip.
        offer: one of `OFFERS`.

    Returns:
        One row a chip with its cheapest placement, columns as in `chip_frontier`, or the reason in `does_not_fit`.

    """
    records = []
    for head, found, reason in _on_chips(s, offer):
        points = [q for at in found for q in _points(at, whole=False)]
        best = min(points, key=lambda p: p["usd_per_mtok_decode"], default={})
        if found and not best:
            reason = "no placement within one scale-up domain has the memory or the speed"
        records.append({**head, **best, "does_not_fit": reason})
    return points_frame(records)


def measured_points(s: Placement, offer: str = "on-demand") -> "pd.DataFrame":
    """Measured decoding of the same model at a speed per user, on chips with a price under the offer.

    Args:
        s: a model of data/models.csv, or one whose architecture it is, as DeepSeek-R1 has that of DeepSeek-V3.
        offer: one of `OFFERS`.

    Returns:
        Rows of data/operating_points.csv: chip, offer, model, arrangement, precision, tokens_per_second_per_user,
        tokens_per_second_per_chip, usd_per_mtok_decode at the offer's price and the deployment's load factor, joules_per_token, source.

    """
    name, priced = s.name.partition(" (changed")[0], _offered(offer)
    same = {name, *(r["model"] for r in rows("throughput") if r["architecture"] == name)}
    watts = {r["chip"]: float(r["all_in_power_watts"] or "nan") for r in rows("hardware")}
    records = []
    for r in rows("operating_points"):
        kept = r["unit"] == "tokens/s per chip" and r["topic"] != "prefill" and r["tokens_per_second_per_user"]
        if not kept or r["chip"] not in priced or not any(r["model"].startswith(model) for model in same):
            continue
        rate = float(r["value"])
        usd = float(priced[r["chip"]]["usd"]) / SECONDS_PER_HOUR / float(load_factor(s.scenario))
        figures = {
            "tokens_per_second_per_user": float(r["tokens_per_second_per_user"]),
            "tokens_per_second_per_chip": rate,
            "usd_per_mtok_decode": MILLION * usd / rate,
            "joules_per_token": watts[r["chip"]] / rate,
        }
        named = {key: r[key] for key in ("model", "arrangement", "precision")}
        records.append({"chip": r["chip"], "offer": offer, **named, **figures, "source": r["source"]})
    return points_frame(records)
