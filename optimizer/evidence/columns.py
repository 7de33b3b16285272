"""The columns of a table of training runs, by the names that people give them."""

import re
from collections.abc import Iterable, Mapping

from ..assumptions.problems import near_miss, shown

__all__ = ["LOSSES", "NAT", "SIZES", "UNITS", "columns_of", "listed", "plain", "quantity_of"]

NAT = "nat/token"

_SAME = {
    "n_params": "n params n_params num_params nparams parameters n_parameters num_parameters model_size size total_params "
    "params_total n_params_total model_params param_count parameter_count model_parameters n_total total_parameters",
    "no_embed": "n_params_no_embed non_embedding_params params_no_embed n_non_embedding n_no_embed params_non_embedding "
    "non_embedding_parameters non_emb_params n_params_non_embedding params_without_embeddings matmul_params n_nonembed n_nonemb n_non_emb "
    "params_non_emb n_params_non_emb nonembedding_params non_embed_params n_non_embedding_params parameters_non_embedding",
    "active": "active_params n_active n_active_params n_params_active params_active active_parameters activated_params",
    "train_tokens": "d tokens n_tokens num_tokens train_tokens training_tokens total_tokens tokens_seen n_train_tokens "
    "token_count tokens_trained num_train_tokens pretrain_tokens pretraining_tokens tokens_total",
    "tokens_per_param": "tokens_per_param tokens_per_parameter tpp token_multiplier d_over_n d_n tokens_params tokens_param "
    "tokens_per_params tokens_to_params",
    "flops": "c flops flop compute train_flops training_flops total_flops n_flops training_compute train_compute budget "
    "compute_budget flops_budget flop_budget",
    "loss": "val_loss validation_loss eval_loss evaluation_loss test_loss valid_loss final_val_loss final_loss loss lm_loss cross_entropy "
    "cross_entropy_loss ce_loss ce xent nll l train_loss training_loss final_train_loss loss_nats raw_loss",
    "bits_per_token": "bits_per_token loss_bits bits loss_in_bits val_loss_bits bpt",
    "bits_per_byte": "bits_per_byte bpb bits_per_char bpc val_bpb eval_bpb test_bpb validation_bpb val_bits_per_byte",
    "perplexity": "perplexity ppl val_ppl eval_ppl test_ppl valid_ppl val_perplexity",
}  # fmt: skip
_NAMES = {name: quantity for quantity, names in _SAME.items() for name in names.split()}
SIZES = ("active", "n_params", "no_embed")
"""What N may count, in the order in which it is taken."""
LOSSES = ("loss", "bits_per_token", "perplexity", "bits_per_byte")
UNITS = {"n_params": "parameters", "train_tokens": "tokens", "flops": "FLOP", "loss": NAT}
_POWERS = {
    3: "k thousand thousands",
    6: "m million millions mm",
    9: "b bn g billion billions",
    12: "t tn trillion trillions",
}
_POWER = {name: power for power, names in _POWERS.items() for name in names.split()}
_FLOPS = re.compile(r"(?:(?:total|train|training)_(k|m|g|t|p|e|z)|(?:(?:total|train|training)_)?(exa|zetta))_?flops?")
"""FLOP in all; gflops and tflops alone are usually FLOP a second."""
_FLOPS_POWER = {"k": 3, "m": 6, "g": 9, "t": 12, "p": 15, "e": 18, "exa": 18, "z": 21, "zetta": 21}
_NO_LOSS = {"ln", "log10", "log2", "std", "sd", "stderr", "sem", "var"}
"""Words of headings such as loss_std."""


def plain(heading: str) -> str:
    """A heading in lower case with single underscores: "Tokens (B)" is tokens_b."""
    return re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_")


def quantity_of(heading: str) -> tuple[str, int] | None:
    """(quantity, power of ten) that a heading means; None for a column of another kind.

    >>> quantity_of("Tokens (B)"), quantity_of("val_loss"), quantity_of("n_params_no_embed"), quantity_of("width")
    (('train_tokens', 9), ('loss', 0), ('no_embed', 0), None)

    Loss may name its unit, and headings of a logger begin with a group:

    >>> quantity_of("Loss (bits/token)"), quantity_of("val loss [bits per byte]"), quantity_of("throughput/total_tokens")
    (('bits_per_token', 0), ('bits_per_byte', 0), ('train_tokens', 0))

    """
    written = plain(heading)
    if written in _NAMES:
        return _NAMES[written], 0
    words = set(written.split("_"))
    if "loss" in words and not words & _NO_LOSS and words & {"bit", "bits", "bpb"}:
        return "bits_per_byte" if words & {"byte", "bytes", "bpb"} else "bits_per_token", 0
    if flops := _FLOPS.fullmatch(written):
        return "flops", _FLOPS_POWER[flops[1] or flops[2]]
    stem, _, unit = written.rpartition("_")
    for end in (stem, stem.removesuffix("_in")):
        if unit in _POWER and _NAMES.get(end) in (*SIZES, "train_tokens"):
            return _NAMES[end], _POWER[unit]
    group, _, last = heading.rpartition("/") if "/" in heading else heading.rpartition(".")
    found = quantity_of(last) if group and len(plain(last)) > 1 and not quantity_of(group) else None
    return found if found and found[0] not in LOSSES else None


def columns_of(name: str, header: list[str], chosen: Mapping[str, str], problems: list[str]) -> dict[str, int]:
    """The columns to read, by quantity; sentences about what is missing go to `problems`."""
    twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
    if twice:
        problems.append(f"{name} has column {', '.join(twice)} more than once; keep one.")
    found: dict[str, int] = {}
    order = [*_NAMES]
    named = [
        (order.index(p) if (p := plain(cell)) in _NAMES else len(order), i, q)
        for i, cell in enumerate(header)
        if (q := quantity_of(cell))
    ]
    for _, i, (quantity, _) in sorted(named):
        found.setdefault(quantity, i)
    for quantity, column in chosen.items():
        if quantity not in UNITS:
            problems.append(
                f"columns names {quantity!r}, which is no quantity of a run{near_miss(quantity, UNITS)} Quantities: {', '.join(UNITS)}."
            )
        elif column not in header:
            problems.append(
                f"{name} has no column {shown(column)} for {quantity}{near_miss(column, header)} It has {listed(header)}."
            )
        else:
            found = {q: i for q, i in found.items() if q != quantity and not (quantity == "loss" and q in LOSSES)}
            found[quantity] = header.index(column)
    kept = [q for q in LOSSES if q in found][:1]
    found = {q: i for q, i in found.items() if q not in LOSSES or q in kept}
    if not kept:
        inside = [cell for cell in header if "loss" in plain(cell) and not set(plain(cell).split("_")) & _NO_LOSS]
        if len(inside) == 1:
            found["loss"] = header.index(inside[0])
        else:
            which = (
                f" It has {listed(inside)}: choose one, as in --column loss={inside[0]}."
                if inside
                else f" It has {listed(header)}."
            )
            problems.append(
                f"{name} has no column that is the loss; name one loss or val_loss, in nat per token.{which}"
            )
    sizes = [q for q in SIZES if q in found]
    found = {q: i for q, i in found.items() if q not in sizes[1:]}
    size = bool(sizes)
    length = "train_tokens" in found or "tokens_per_param" in found
    if not size and not ("flops" in found and "train_tokens" in found):
        problems.append(
            f"{name} has no column for the parameters of a model; name one n_params, params or N. It has {listed(header)}."
        )
    if not length and not ("flops" in found and size):
        problems.append(
            f"{name} has no column for the training tokens; name one train_tokens, tokens or D, or give flops "
            f"with N. It has {listed(header)}."
        )
    return found


def listed(names: Iterable[str], most: int = 12) -> str:
    found = [*names]
    return ", ".join(map(shown, found[:most])) + (", ..." if len(found) > most else "")
