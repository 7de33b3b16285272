"""Writes docs/serving.md: how well the roofline predicts measured serving, from the fit and the data.

`python -m docs.pages.serving > docs/serving.md` renews it; a test fails when it is stale.
"""

import sys

import numpy as np
import pandas as pd

from optimizer.assumptions.deployment import Deployment
from optimizer.assumptions.numbers import human, percent
from optimizer.assumptions.tables import rows
from optimizer.evidence.claims import Claim, claims
from optimizer.evidence.in_flight import limited
from optimizer.evidence.shapes import SINCE, power_law
from optimizer.evidence.throughput import APART, FITTED, accuracy, calibrate, deployment_class, held_out, predictions

__all__ = ["page"]

_HEAD = r"""# The serving roofline

What a served token costs, from the chip up: `serving.method = "roofline"` with `money.unit = "usd"`. `overtrain roofline MODEL --chip CHIP`
shows a model on a chip; `overtrain reproduce --claims` checks what the lecture says about serving. This page is written from code and
data: `python -m docs.pages.serving > docs/serving.md`.

## The model

A step of decoding is a sum of operations. With B sequences in it, on the n chips of one pipeline stage:

$$t(B) = t_{\text{dense}} + t_{\text{experts}} + t_{\text{attention}} + t_{\text{exchange}} + t_{\text{fixed}} + B\, t_s,
\qquad t_{\text{fixed}} = L\, (t_l + 2\, t_c\, m) + P\, t_h$$

$$t_{\text{dense}} = \mathrm{join}\left( \frac{2\, (N - a E_x)\, q B}{n F \eta},\ \frac{d\, p\, D_x}{n W \eta_m} \right)$$

$$t_{\text{experts}} = \mathrm{join}\left( \frac{2\, a E_x\, q B\, (1 + h_0 / h)}{n F \eta},
\ \frac{p\, E_x \left( 1 - (1 - a)^{q B} \right)}{n W \eta_m} \right)$$

$$t_{\text{attention}} = B\, \frac{4 A\, (S + r \min(S, w))\, f q}{n F_{16}\, \eta_a}
+ B\, \frac{y\, (k\, S^x + k\, r \min(S, w) + k_0)}{n W \eta_m}$$

join(c, m), of the time to compute and the time to read, is the larger root t of

$$(t - c)\, (t - m) = s\, c\, m$$

the longer of the two at s = 0, their sum at s = 1. What a token costs follows from the step:

$$\text{USD per decode token} = \frac{n c\, t(B)}{3600\, g B},
\qquad \frac{(D_x d + E_x)\, p}{P} + B\, y\, (k\, S + k\, r \min(S, w) + k_0) \le n Q\, \eta_q$$

$$\text{USD per prefill token} = \frac{n c}{3600} \left( \frac{t_{\text{products}}(C)}{C}
+ \frac{4 A\, (S/2 + r \min(S/2, w))}{n F_{16}\, \eta_a} + \frac{t_{\text{exchange}}}{q B} \right)$$

$$\text{USD per cached token} = \frac{k\, c'}{3600} \max\left( \frac{t_{\text{keep}}}{Q'}, \frac{1}{W'} \right)$$

with c' the price of the tier that keeps it, Q' bytes and W' bytes/s of it. All three are divided by the load factor.

| symbol | meaning | unit |
|---|---|---|
| $N$, $M$ | active and all parameters | parameters |
| $E_x$, $D_x$ | parameters of all experts, and the others, $M - E_x$ | parameters |
| $a$ | share of the experts that a token uses | 1 |
| $B$, $S$ | sequences of a step, tokens of context | sequences, tokens |
| $n$, $P$ | chips of a pipeline stage, stages | chips, 1 |
| $F$, $F_{16}$ | peak at the precision, and at 16 bits | FLOP/s |
| $W$, $Q$ | bandwidth and size of a chip's memory | B/s, B |
| $c$ | price of a chip | USD per chip-hour |
| $p$, $k$, $k_0$ | bytes of a weight, of a token's cache, and of what a sequence keeps whatever its context | B |
| $q$, $g$ | tokens that a step checks, 1 + drafted tokens, and those that it keeps | tokens |
| $A$, $f$ | width of attention, summed over layers; decoding over prefill of latent attention (3.4 for DeepSeek-V3) | 1 |
| $r$, $w$ | layers with a window for each without, tokens of the window (Llama 4: 3 and 8,192; gpt-oss: 1 and 128) | 1, tokens |
| $x$ | exponent of what attention reads, below 1 where it is sparse | 1 |
| $h$, $h_0$ | inner width of an expert, and the width that reaches half of the share of peak | 1 |
| $d$ | n with expert parallelism, else 1: how often dense weights are held | 1 |
| $y$ | max(n / heads of the cache, 1) with tensor parallelism: how often the cache is held; latent attention has one head | 1 |
| $m$ | log2 n with tensor parallelism, at most 1 with expert parallelism: messages of an exchange | 1 |
| $L$, $t_l$, $t_c$, $t_h$, $t_s$ | layers; time of a layer, of a message, of a hop between stages (0 for one stage), of a sequence | 1, s |
| $C$ | prompt tokens computed together | tokens |
| $\eta$, $\eta_m$, $\eta_a$, $\eta_q$ | shares of peak, bandwidth, peak of attention and memory that are reached | 1 |

- **Exchange.** With tensor parallelism two sums a layer, 8 L width q B (n - 1) / n bytes over the links, which are waited for. With expert
  parallelism 3 (experts per token) L width q B (n - 1) / n^2 bytes, joined with the products that run at the same time. A message beyond
  the scale-up domain takes a hop's time; a token leaves its domain once for each of the domains that its experts lie in, of which
  DeepSeek-V3's routing allows 4.
- With expert parallelism attention is data-parallel: every chip holds and reads the dense weights of its own sequences.
- h follows from E_x = 3 L (experts) width h, width from N = 12 L width^2, which is good to a tenth for most models and to a third for
  gpt-oss and Mixtral. h_0 differs between decoding and prefill, and in software tuned to one model (`deployment.engine = "tuned"`), where
  it is 0 in prefill.
- Attention reaches its own share of F_16. It computes, then reads: for groups of queries either part is small.
- eta falls at 8 and 4 bits. A community server (`deployment.engine`) reaches a share of a vendor's engine's speed.
- t_s is the host's time, which n chips share with expert parallelism, and between stages the activations over the links that leave the
  domain.

Pope et al. 2022 (arXiv 2211.05102) have compute and memory time of decoding; the other terms are what measurements add to it.

Cost per token falls with B, so the cheapest batch is the largest that memory (`deployment.batch = "optimal"`) or a speed for every user
(`"latency"`) allows. The cost of decoding is then the larger of two smooth regimes, one for each bound. For dense models each is log-log
convex in N: 1/B is a series in N with positive terms, and join is log-log convex (with logarithms T, c, m,
ln(e^(T-c) - 1) + ln(e^(T-m) - 1) is concave and rises with T). So `solve` certifies a global optimum, also one that lies on the kink
between the two. Experts with a chosen batch are not convex: `solve` then starts from several sizes and says that the optimum is not
certified as global.

M / N is `deployment.sparsity`. Left out, it is 1 under a law of dense models and (1 + 2 E) / 3 under a law of E experts, of which a token
uses one: two thirds of the active parameters lie in experts, as where the whole feed-forward part of a transformer is replaced by them.
The share of experts that a token uses is then 1 / E. Released models differ ([the model](model.md#where-it-stops)); give the ratio of the
model you mean.

Drafts (`deployment.drafted_tokens` = k, `acceptance_rate` = a; Leviathan et al. 2023, arXiv 2211.17192, equation 1): a step checks
q = k + 1 tokens after k drafts of `draft_share` of a step each, and keeps

$$g = \frac{1 - a^{k + 1}}{1 - a}$$

## Where a replica runs

With `deployment.placement = "best"`, the default, the placement is chosen: the cheapest of 1, 2, 4 and 8 chips with tensor parallelism,
8, 16, 32, .. chips and the whole scale-up domain with expert parallelism for models with experts, and 2 and 4 pipeline stages of the
largest of each kind; each with the largest batch that memory and speed allow. Each has a convex program of its own where the model above
has one: all are solved, or bounded from below by what no design of the target loss can cost less than, and the best is taken. The answer
names it and the settings that fix it. What is given of `deployment.chips`, `parallelism` and `pipeline_stages` is kept, and "given" takes
the whole scale-up domain, at most 8 chips of it with tensor parallelism, where these say nothing. Files, links and pins that say they are
of version 1 mean "given".

A design, or a model at its size, is served at the placement that is cheapest for it: in the cost curve, the Chinchilla plan, regret and
implied traffic. The band around an optimum is that of the placement that was chosen; another one may reach further. Derivatives are those
of the chosen placement (envelope theorem), one-sided where another takes over.

What eight chips overcharge at fp8, on all that is spent on serving:

| model | chip | decoding alone | 4 tokens read for each written |
| --- | --- | --- | --- |
| Llama 3.1 8B | H100 SXM | 12 % (2 chips are best) | 33 % (1 chip) |
| Llama 3 70B | H200 SXM | 7 % (4 chips) | 29 % (2 chips) |

## A closed loop of requests

`throughput(placement("Llama 3 70B"), 1000, 500)`, or `overtrain roofline "Llama 3 70B" --prompt 1000 --answer 500`, gives tokens and
requests per second, times and cost of users who send the next request when the last is answered. B requests of S_in prompt and S_out
answer tokens are in flight, on the same chips, at a context of S_in + S_out / 2. A token of an answer takes tau, and a first token

$$\tau(B) = \frac{t(B)}{g} + \frac{B\, S_{in}\, t_{\text{prefill}}}{S_{out}}, \qquad \text{requests per second} = \frac{B}{S_{out}\, \tau}$$

$$t_{\text{first}} = t_{\text{fixed}} + s + \min\left( w(\rho)\, s,\ (B - 1)\, S_{in}\, t_{\text{prefill}} \right)$$

$$s = S_{in}\, t_{\text{prefill}} + \frac{S_{in}}{C} \left( 1 - \frac{1}{B} \right) t(B),
\qquad \rho = \frac{B\, S_{in}\, t_{\text{prefill}}}{S_{out}\, \tau}$$

B is the number of users, what memory holds at full length, or what keeps tau within `seconds_per_token`. The same function predicts the
measured rows below; they check tau, not the wait for the first token, which is that of a queue with fixed service times s at a load rho:

$$w_{\text{mean}} = \frac{\rho}{2 (1 - \rho)}, \qquad w_p = \begin{cases} 0 & p \le 1 - \rho \\
\frac{1}{\rho} \ln \frac{p}{1 - \rho} & w_p \le 1 \\
\frac{1}{a} \ln \frac{1 - \rho}{(\rho\, e^a - 1) (1 - p)} & \text{beyond, with } \rho\, (e^a - 1) = a \end{cases}$$

(Pollaczek and Khinchine; Erlang 1909; the exponential tail). The tail is off by less than 0.7 % of s + w s.

`limits.max_seconds_to_first_token` is about the first token of a prompt of `deployment.prompt_tokens`, t_fixed and s taken at this length,
that comes at random to replicas which are busy for the share rho = `serving.load_factor` (at most 1 / `traffic.peak_to_mean`) of all
time, the load at which the bill pays for them: t_first = (1 + w(rho)) (t_fixed + s). `limits.first_token_percentile` says which w: the mean
when left out, 0.99 for a time that 99 % of prompts keep, 0 for a prompt that waits for no other. w does not depend on N, so the limit is
as convex as s. Replicas that are always busy (a load of 1) keep no such limit. Where the load swings within a day, its hours of peak
wait longer than its mean load says.

## Prompts apart or together

`deployment.prefill = "apart"` (the default): prompts are computed on replicas of their own, of `deployment.prefill_chips` (those of a
decoding replica when left out), whose memory holds the weights and a prompt. Before its first token the cache of a prompt of S tokens
crosses the links that leave a domain, S k / (n W_out) seconds; moving it layer by layer would hide part of that. `"together"`: prompts are
computed between the steps of decoding. With a = T_in (1 - h) / T_out computed prompt tokens of the traffic for each token of an answer,

$$\tau(B) = \frac{t(B)}{g} + B\, a\, t_{\text{prefill}}, \qquad
\frac{\text{prefill chips}}{\text{decode chips}} = \frac{T_{in} (1 - h)\, \tau_{in}}{T_{out}\, \tau_{out}}$$

tau being what a speed for every user (`deployment.target_tokens_per_second`, `limits.min_tokens_per_second_per_user`) bounds: the batch is
smaller than apart, and a token of an answer costs tau(B) / B with its prompt. That is the loop above at the mix of the traffic. The batch
at a speed stays log-log concave in N and the cost convex, so what is certified apart is certified together. The ratio, in chip-seconds per
token tau_in and tau_out, stands with every answer (`Solution.prompts`), together as the share of the work. A first token together waits
for a step of at most g / v, v the speed, or of the fixed batch, with every chunk, and for other prompts as if they came apart: a bound.

> An optimum under the roofline moves with hardware, batch, context and latency. What it cannot see: experts of uneven load.
"""


def page() -> str:
    """The page, as Markdown."""
    fitted = calibrate()
    frame, judged = _classed(predictions(fitted)), _classed(held_out())
    lone = judged["category"] == "prefill"
    own = ~lone & (judged["engine"] != _ENGINES["community"])
    parts = [
        _HEAD,
        _fitted(fitted),
        _limited(limited(fitted)),
        "\n## Error on models that the fit did not see\n\n"
        "Each model of data/throughput.csv is predicted by a fit to all other models. By class of deployment, as every answer states it:\n",
        _errors(accuracy(judged[~lone], ["deployment"])),
        "\nBy class of engine, and kind of model:\n",
        _errors(accuracy(judged[~lone], ["engine"]), header=True),
        _errors(accuracy(judged[~lone], ["engine", "kind"]), header=False),
        "\nBy generation of chip, arrangement of its chips, and sequences in flight, without community servers:\n",
        _errors(accuracy(judged[own], ["generation"])),
        _errors(accuracy(judged[own], ["arrangement"]), header=False),
        _errors(accuracy(judged[own], ["load"]), header=False),
        "\nBy model, and lone prompts:\n",
        _errors(accuracy(judged[~lone], ["model", "engine"])),
        _errors(accuracy(judged[lone], ["category"]), header=False),
        "\nA curve whose chip count and lengths the source does not give, not fitted:\n",
        _errors(accuracy(frame[frame["part"] == "unverified"], ["model"])),
        "\nExperts across many chips, prompts and decoding on chips of their own: DeepSeek-V3 and R1, tokens/s per chip, an H800 "
        "counted as H100. Where the source gives no speed the largest batch that memory holds is taken. Points that draft tokens are not "
        "fitted; 1.85 of 2 are taken to be kept (arXiv 2412.19437, section 5.4.3):\n",
        _experts(frame),
        _worst(judged[~lone]),
        _MISSES,
        _shapes(),
        "\n## The lecture's claims about serving\n",
        _claims(claims()),
    ]
    return "\n".join(parts).rstrip() + "\n"


_MISSES = """
Where it misses, and why:

- Community servers: predicted 2.1 times too fast where the model is MiniMax-M2.5, 0.4 times as fast as measured where it is Nemotron 3 Nano
  and 0.6 times for Llama 3.1 405B and Qwen3-VL. One share stands for all of their software, versions and settings; a fit to half of these
  rows says little about the other. Measure your own (below).
- gpt-oss-120b on H100 and H200: up to 3.4 times too fast at long outputs. Weights of 4 bits are expanded before they are multiplied, and
  the scheduler's own limits on the batch are not on record. On B200 it is met within a factor 1.7.
- Qwen3-235B: 0.4 to 0.65 times as fast as measured on four H200 in 8 bits. Its experts are narrow (1,536), and the share of peak that
  narrow experts reach is fitted to other models.
- Llama 4 Maverick on 8 H200: 2.3 times too fast at long outputs; with one expert a token, chips wait for the busiest expert.
- Racks at 125 tokens/s: 1.2 times too fast, and 1.3 times on 40 chips of servers of 8, which the rack beats 3.9 times (measured: 4.4).
- Across nodes of H100 and H800 (counted as H100): prefill and production at 21 tokens/s are predicted at three quarters of what is
  measured; links hide more behind the products of a second batch.
- DeepSeek-R1 on 8 B200 (two rows): 1.3 times too fast, 2.1 under a limit of 80 ms; dense weights and attention are not in 4 bits there,
  while one precision is counted.
- A limit of 40 ms: Llama 2 70B on one H200 is predicted a third as fast as measured. Limits hold for the 99th percentile; one ratio of mean
  to limit stands for every scheduler.
- MI300X with Llama 2 70B and Mixtral: 1.6 times too fast; a share of peak of its own is not fitted.
- Llama 2 70B and Falcon 180B of 2023: their kernels read a cache entry once for each of the 8 or 29 query heads that share it
  (`cache_reads` in data/throughput.csv).

## Calibrate with one measurement of your own

Run one closed loop at the load you will serve, and predict it:

```python
from optimizer import placement, throughput

measured = 1900  # tokens/s of answers, all users together, on 8 H100
s = placement(
    "Llama 3 70B", changes={"money.serve_chip": {"name": "H100 SXM", "precision": "fp8"}, "deployment.chips": 8}
)
predicted = 8 * throughput(s, 1000, 500, users=[64])["tokens_per_second_per_chip"][0]
s = placement("Llama 3 70B", changes={"deployment.engine_speed": measured / predicted})
```

Predicted tokens/s is nearly proportional to `deployment.engine_speed`. One point does away with the error of software, chip and model
that the classes above carry; what stays is the error of moving along batch and context, about that of one chip or of tensor parallelism.
Left at 1, the engine's speed is what Monte Carlo, tornado and Sobol draw for the error of serving: log-normal, 80 % within the factor of
the class.

## What others do differently

aiconfigurator interpolates kernel times measured on each chip, so it knows its kernels better and covers only chips and models that were
measured; InferenceX measures whole engines daily at fixed lengths. Both say more about one deployment today. Neither is differentiable in
the size of a model that does not exist yet, which is what a plan needs.
"""


_ENGINES = {
    "static": "static batch",
    "vendor": "vendor's engine",
    "community": "community server",
    "tuned": "tuned software",
}

_GENERATIONS = {
    "A100": "Ampere",
    "H100": "Hopper",
    "H200": "Hopper",
    "B200": "Blackwell",
    "GB200": "Blackwell",
    "MI3": "CDNA 3",
}
_LOADS = {
    "at most 16 sequences": 16,
    "17 to 128 sequences": 128,
    "more than 128 sequences, or what memory holds": np.inf,
}
_MISSED = 1.5
"""Factor from which a point is named."""


def _classed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their class of deployment, and whether the model has experts."""
    experts = {r["name"] for r in rows("models") if r["routed_experts"]}
    limited = np.where(frame["seconds_per_token_limit"].notna(), ", time limit", "")
    loads = pd.cut(frame["batch"], [0, *_LOADS.values()], labels=[*_LOADS])
    return frame.assign(
        generation=[
            next(said for name, said in _GENERATIONS.items() if chip.startswith(name)) for chip in frame["chip"]
        ],
        arrangement=np.where(frame["chips"] == 1, "one chip", frame["parallelism"] + " parallelism"),
        load=loads.cat.remove_unused_categories(),
        deployment=deployment_class(frame),
        engine=frame["engine"].map(_ENGINES) + limited,
        kind=np.where(frame["architecture"].isin(experts), "experts", "dense"),
    )


def _worst(judged: pd.DataFrame) -> str:
    """All vendors' engines in one line, and of each model and engine the point that is missed most."""
    vendor = judged[judged["engine"].str.startswith("vendor")]
    (whole,) = accuracy(vendor.assign(all="all"), ["all"]).to_dict("records")
    missed = judged.assign(factor=np.exp(np.abs(np.log(judged["ratio"])))).sort_values("factor", ascending=False)
    named = missed[missed["factor"] > _MISSED].groupby(["model", "engine"], sort=False).head(1).to_dict("records")
    found = [
        [
            row["model"],
            row["engine"],
            f"{row['chips']:g} {row['chip']}, {row['precision']}",
            f"{row['input_tokens']:,.0f} + {row['output_tokens']:,.0f}",
            f"{row['measured']:,.0f}",
            f"{row['predicted']:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in named
    ]
    names = ["", "engine", "chips", "prompt + answer", "measured, tokens/s", "predicted", "predicted / measured"]
    return (
        f"\nVendors' engines, all classes together: median {percent(whole['median_error'], 2)}, 90th percentile a factor "
        f"{whole['p90_factor']:.2f}. The worst point of each model and engine beyond a factor {_MISSED:g}:\n\n{_table(names, found)}"
    )


def _experts(frame: pd.DataFrame) -> str:
    """Published operating points of DeepSeek-V3 and R1 across chips of the table, with what the model gives."""
    found = []
    for point in frame[frame["category"].isin(APART)].to_dict("records"):
        limit, prompts = point["seconds_per_token_limit"], point["category"] == APART[0]
        found.append(
            [
                f"{'prefill' if prompts else 'decode'}, {point['chips']:g} {point['chip']}, {point['precision']}",
                point["software"],
                "prompts" if prompts else "largest batch" if np.isnan(limit) else f"{1 / limit:g} tokens/s",
                f"{point['engine']}, {point['part']}",
                f"{point['measured'] / point['chips']:,.0f}",
                f"{point['predicted'] / point['chips']:,.0f}",
                f"{point['ratio']:.2f}",
            ]
        )
    names = [
        "",
        "source's arrangement",
        "speed of a user",
        "engine, use",
        "measured",
        "predicted",
        "predicted / measured",
    ]
    return _table(names, found)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _errors(summary: pd.DataFrame, *, header: bool = True) -> str:
    """A table of errors; without `header` its rows continue the table above."""
    rows = [
        [
            ", ".join(map(str, key if isinstance(key, tuple) else (key,))),
            str(row["rows"]),
            percent(row["median_error"], 2),
            f"{row['p90_factor']:.2f}",
            f"{row['median_ratio']:.2f}",
        ]
        for key, row in zip(summary.index, summary.to_dict("records"), strict=True)
    ]
    names = ["", "rows", "median error", "90th percentile, factor", "median predicted / measured"]
    whole = _table(names, rows)
    return whole if header else whole.split("\n", 2)[2]


def _fitted(fitted: dict[str, float]) -> str:
    units = {"seconds_per_layer": "s", "seconds_per_collective": "s", "seconds_per_sequence": "s"}
    rows = [
        [
            f"deployment.{name}" if name in Deployment.model_fields else name,
            f"{value:.3g}",
            units.get(name, "1"),
            f"{FITTED[name].low:g} to {FITTED[name].high:g}",
        ]
        for name, value in fitted.items()
    ]
    note = (
        "\n`deployment.compute_share`, the share of peak in decoding, is that of prefill. `community_share` is the engine_speed of a "
        "community server; `limit_share` the mean time per token over a limit that holds for the 99th percentile, used for rows "
        "under a limit.\n\nThe fixed times end at their bounds: throughput at large batches would let them stand in for other costs, while "
        "single sequences show 50 to 100 microseconds per layer, and exchanges inside a server take 10 to 20 microseconds on 8 chips. "
        "Memory is filled to 0.9, what engines take by default.\n"
    )
    return "## What is fitted\n\n" + _table(["assumption", "fit", "unit", "range allowed"], rows) + "\n" + note


def _limited(frame: pd.DataFrame) -> str:
    timed = frame.loc[frame["by_time"], "share"]
    own, random = (frame[name] for name in ("miss_fitted", "miss_random"))
    medians = [percent(float(np.abs(np.expm1(miss)).median())) for miss in (random, own)]
    spreads = [f"{float(np.sqrt((miss**2).mean())):.2f}" for miss in (random, own)]
    return (
        "\n`limit_share` is no consequence of a queue. If requests came at random and shared a replica, the number in flight would be a "
        "negative binomial one (optimizer/evidence/in_flight.py), and the mean time per token over its 99th percentile "
        f"{timed.min():.2f} to {timed.max():.2f} in the {len(timed)} fitted rows that such a limit holds back from what memory allows. "
        f"With this in place of the fitted ratio the {len(frame)} fitted rows under a limit are missed by a median of {medians[0]} "
        f"instead of {medians[1]}, and in the root mean square of ln(predicted / measured) by {spreads[0]} instead of {spreads[1]}. "
        "Of the rows that are held back, those of Llama 2 70B at 40 ms, two do as if the mean kept half of the limit, and one as if it "
        "could pass it. So the fitted ratio stands.\n"
    )


def _shapes() -> str:
    rows = []
    for name, column in (
        ("layers", "n_layers"),
        ("KV bytes per token, 2 bytes a number", "kv_bytes_per_token_growing"),
        ("width of attention over all layers", "attention_width_growing"),
    ):
        law = power_law(column)
        rows.append([name, human(law.at_reference, 3), f"{law.exponent:.3f}", f"{law.spread:.2f}", str(law.models)])
    text = (
        f"\n## Shapes of released models\n\nPower laws of active parameters over the models of data/models.csv released since {SINCE}. The "
        "cache spreads over a factor of three either way: give your own where you know it (`deployment.kv_bytes_per_token` at "
        "`deployment.reference_params`).\n\n"
    )
    return text + _table(["", "at 10B active", "exponent", "spread, factor", "models"], rows)


def _claims(found: list[Claim]) -> str:
    return _table(Claim.headings(), [list(claim) for claim in found])


if __name__ == "__main__":
    sys.stdout.write(page())
