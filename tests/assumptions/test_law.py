import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optimizer.assumptions.experts import GranularLaw, MoELaw
from optimizer.assumptions.law import ChinchillaLaw, CoupledLaw
from optimizer.assumptions.published_laws import law_kind, law_names
from optimizer.assumptions.repetition import RepetitionLaw
from optimizer.assumptions.sparsity import SparsityLaw

KINDS = {"moe": MoELaw, "moe-sparsity": SparsityLaw, "moe-granularity": GranularLaw, "coupled": CoupledLaw}
BESIROGLU = ChinchillaLaw.model_validate("besiroglu")


def repeated(unique: float) -> RepetitionLaw:
    return RepetitionLaw.model_validate({"name": "muennighoff", "kind": "repetition", "unique_tokens": unique})


def test_names():
    assert law_kind("besiroglu") == "chinchilla"
    assert law_kind("ludziejewski") == "moe"
    assert law_kind("repetition") is None
    assert "repetition" not in law_names()


def test_arrays_and_infinity():
    n = np.array([1e9, 1e10])
    assert BESIROGLU.loss(n, np.array([1e12, np.inf])).shape == (2,)
    assert float(BESIROGLU.reducible(np.inf, np.inf)) == 0


def test_train_optimal_tokens_are_where_both_elasticities_agree():
    for name in law_names():
        law = KINDS.get(law_kind(name), ChinchillaLaw).model_validate(name)
        n = 3e10
        d = law.train_optimal_tokens(n)
        by = jax.grad(lambda x, law=law: jnp.log(law.reducible(jnp.exp(x[0]), jnp.exp(x[1]))))(
            jnp.log(jnp.array([n, d]))
        )
        assert float(by[0]) == pytest.approx(float(by[1]), rel=1e-12)


def test_repetition_is_smooth_where_it_begins_and_ends_at_16_times():
    law = repeated(1e12)
    assert float(law.effective_tokens(5e11)) == 5e11
    assert float(law.effective_tokens(np.inf)) == pytest.approx(16.387756e12, rel=1e-9)
    slope = jax.grad(law.effective_tokens)
    assert float(slope(1e12 * (1 - 1e-9))) == pytest.approx(1, rel=1e-8)
    assert float(slope(1e12 * (1 + 1e-9))) == pytest.approx(1, rel=1e-8)
    # Muennighoff et al. 2023: up to about four epochs are nearly as good as fresh data.
    assert float(law.effective_tokens(4e12)) / 4e12 == pytest.approx(0.93, abs=0.01)


def test_repetition_is_log_log_convex():
    law = repeated(1e12)
    ln_d = np.linspace(np.log(1e10), np.log(1e15), 2001)
    ln_l = np.log(np.asarray(law.reducible(1e12, np.exp(ln_d))))
    assert np.diff(ln_l, 2).min() > -1e-9


def test_without_repetition_the_law_is_its_base():
    law, base = repeated(1e16), ChinchillaLaw.model_validate("muennighoff")
    assert float(law.loss(1e10, 1e13)) == float(base.loss(1e10, 1e13))
    assert float(law.effective_params(1e10)) == 1e10
    assert law.chinchilla == base.model_copy(update={"fitted_max_params": None})


def test_experts_help_up_to_saturation():
    losses = [
        float(MoELaw.model_validate({"name": "ludziejewski", "kind": "moe", "experts": e}).loss(2e9, 1e11))
        for e in (1, 2, 4, 8, 16, 32)
    ]
    assert losses == sorted(losses, reverse=True)
