"""The first half of docs/serving.md: the model, in words and formulas."""

__all__ = ["MODEL"]

MODEL = r"""# The serving roofline

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
largest of each kind; each with the largest batch that memory and speed allow. Prompts that are computed apart have replicas of their own,
for which each placement comes with every size of its kind: they share the kind of parallelism and the stages. Each has a convex program
of its own where the model above has one: all are solved, or bounded from below by what no design of the target loss can cost less than,
and the best is taken. The answer names it and the settings that fix it. With a size or a run decided (goals `params` and `tokens`) the
answer is the cheapest design of its own loss: every other placement is solved or bounded at that loss, and one that reaches it for less
at another size is named. Small models cost more for each parameter, so that they are trained longer, and one run may be the best of
several sizes: goal `tokens` takes the largest, whose loss is the lowest. What is given of `deployment.chips`, `parallelism`,
`pipeline_stages` and `prefill_chips` is kept, and "given" takes the whole scale-up domain, at most 8 chips of it with tensor parallelism,
where these say nothing. Files, links and pins that say they are of version 1 mean "given".

A design, or a model at its size, is served at the placement that is cheapest for it: in the cost curve, the Chinchilla plan, regret and
implied traffic. The band around an optimum is that of the placement that was chosen; another one may reach further. Derivatives are those
of the chosen placement (envelope theorem), one-sided where another takes over.

What eight chips overcharge at fp8, on all that is spent on serving:

| model | chip | decoding alone | 4 tokens read for each written |
| --- | --- | --- | --- |
| Llama 3.1 8B | H100 SXM | 12 % (2 chips are best) | 36 % (2 chips, 1 for prompts) |
| Llama 3 70B | H200 SXM | 7 % (4 chips) | 41 % (4 chips, 1 for prompts) |

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

Between two tokens an answer pauses for a step and the prompts computed before the next one: tau is the mean. k = g B / S_out prompts
come in a step, at random, and a step takes at most a chunk of them, so that 99 % of the pauses (`late_step_seconds`; engines report it as
the p99 of the inter-token latency) are no longer than

$$t(B) + t_{\text{prefill}} \min\left( C,\ S_{in}\, n_{0.99} \right),
\qquad n_p \text{ the p-quantile of } \mathrm{Poisson}\left( k \max(1, S_{in} / C) \right)$$

within 2 % of a simulated loop with prompts in their order. Limits on the time per token that benchmarks set (MLPerf) hold for the mean of a
request instead, and are another matter ([below](#what-is-fitted)).

`limits.max_seconds_to_first_token` is about the first token of a prompt of `deployment.prompt_tokens`, t_fixed and s taken at this length,
that comes at random to replicas which are busy for the share rho = `serving.load_factor` (at most 1 / `traffic.peak_to_mean`) of all
time, the load at which the bill pays for them: t_first = (1 + w(rho)) (t_fixed + s). `limits.first_token_percentile` says which w: the mean
when left out, 0.99 for a time that 99 % of prompts keep, 0 for a prompt that waits for no other. w does not depend on N, so the limit is
as convex as s. Replicas that are always busy (a load of 1) keep no such limit. Where the load swings within a day, its hours of peak
wait longer than its mean load says.

## Prompts apart or together

`deployment.prefill = "apart"` (the default): prompts are computed on replicas of their own, of `deployment.prefill_chips` (where left
out, chosen with an open placement, else those of a decoding replica), whose memory holds the weights and a prompt. Few chips exchange
less, so that the fewest that hold the model are the cheapest; a limit on the first token may ask for more. Before its first token the
cache of a prompt of S tokens crosses the links that leave a domain, S k / (n W_out) seconds; moving it layer by layer would hide part of
that. `"together"`: prompts are computed between the steps of decoding. With a = T_in (1 - h) / T_out computed prompt tokens of the
traffic for each token of an answer,

$$\tau(B) = \frac{t(B)}{g} + B\, a\, t_{\text{prefill}}, \qquad
\frac{\text{prefill chips}}{\text{decode chips}} = \frac{T_{in} (1 - h)\, \tau_{in}}{T_{out}\, \tau_{out}}, \qquad
\frac{\text{prefill replicas}}{\text{decode replicas}} = \frac{\text{prefill chips}}{\text{decode chips}} \frac{n_{out}}{n_{in}}$$

tau being what a speed for every user (`deployment.target_tokens_per_second`, `limits.min_tokens_per_second_per_user`) bounds: the batch is
smaller than apart, and a token of an answer costs tau(B) / B with its prompt. That is the loop above at the mix of the traffic. A prompt
token costs the chips that compute it as much in both, so that together is never cheaper: an open placement keeps what is given, and the
default is apart. The batch at a speed stays log-log concave in N and the cost convex, so what is certified apart is certified together.
Both ratios, in chip-seconds per token tau_in and tau_out and chips of a replica n_in and n_out, stand with every answer
(`Solution.prompts`), together the first as the share of the work. A first token together waits for a step of at most g / v, v the speed, or
of the fixed batch, with every chunk, and for other prompts as if they came apart: a bound.

> An optimum under the roofline moves with hardware, batch, context and latency. What it cannot see: experts of uneven load.
"""
