"""The scenario, the whole question: law, goal, the three bills, money and limits; one TOML file.

Dotted paths such as `pretraining.mfu` name every number, the same in TOML, `--set`, tables and gradients.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import tomli_w
from pydantic import Field, PrivateAttr, field_validator, model_validator

from .arguments import MAPPING, TEXT, checks, instance_of
from .changes import changed, without_none
from .deployment import Deployment
from .goal import Goal, LossGoal
from .hardware import Accelerator
from .law import ChinchillaLaw, MoELaw, RepetitionLaw, law_kind
from .paths import is_touched, schema_paths
from .problems import InputError, near_miss
from .quantity import Assumption, Rule, label, quantity
from .rl import RL, NoRL
from .toml import plain_toml
from .traffic import TableTraffic, Traffic
from .validation import validated
from .version import SCHEMA_VERSION, is_newer, version_problem

__all__ = ["SCENARIO", "Limits", "Money", "Pretraining", "Scenario", "Serving"]


class Pretraining(Assumption):
    """The bill for pre-training."""

    flops_per_param_token: float = quantity(
        "FLOP",
        "FLOPs per parameter and training token",
        gt=0,
        le=100,
        default=6.0,
        low=6,
        high=8,
        source="2 forward and 4 backward; arXiv 2001.08361",
    )
    mfu: float = quantity(
        "1",
        "model FLOPs utilisation of pre-training",
        gt=0,
        le=1,
        default=0.4,
        low=0.2,
        high=0.6,
        source="data/models.csv, mfu_6nd_bf16: 0.14 to 0.51",
    )
    overhead: float = quantity(
        "1",
        "research multiplier on training, pre-training and RL alike; 1 is none",
        ge=1,
        le=100,
        default=1.0,
        low=1,
        high=5,
    )
    state_bytes_per_param: float = quantity(
        "bytes",
        "training memory per total parameter: weights, gradients, optimizer state",
        gt=0,
        le=64,
        default=18.0,
        low=6,
        high=20,
        source="2 weights, 4 gradients, 12 master copy and two moments; arXiv 1910.02054, section 3.1, with fp32 gradients",
    )
    shard_chips: float = quantity(
        "chips",
        "chips that share one copy of weights, gradients and optimizer state",
        ge=1,
        default=512.0,
        low=8,
        high=4096,
    )
    tokens_per_chip: float = quantity(
        "tokens",
        "tokens of one micro-batch per chip, context shared between chips",
        ge=1,
        default=4096.0,
        low=512,
        high=16384,
    )
    recomputation: Literal["none", "selective", "full"] = Field(
        default="selective",
        description="activations computed again in the backward pass: none, those of attention, all of a layer",
    )


class Serving(Assumption):
    """The bill for inference."""

    method: Literal["efficiency", "roofline"] = Field(
        default="efficiency",
        description="how the cost of serving and of RL rollouts is found: FLOPs at an assumed efficiency, or step times of the deployment",
    )
    flops_per_param_token: float = quantity(
        "FLOP",
        "FLOPs per parameter and served token",
        gt=0,
        le=100,
        default=2.0,
        low=2,
        high=3,
        source="forward pass; arXiv 2001.08361",
    )
    prefill_efficiency: float = quantity(
        "1", "useful throughput of prefill relative to pre-training", gt=0, le=10, default=1.0, low=0.5, high=1.5
    )
    decode_efficiency: float = quantity(
        "1",
        "useful throughput of decode relative to pre-training",
        gt=0,
        le=10,
        default=1 / 3,
        low=0.1,
        high=1.0,
        source="lecture: decode runs at about 0.3 of training throughput",
    )
    load_factor: float = quantity(
        "1", "share of paid serving time that does useful work", gt=0, le=1, default=1.0, low=0.3, high=1.0
    )

    @property
    def by_roofline(self) -> bool:
        """Whether step times of the deployment give the cost of serving, and not an assumed efficiency."""
        return self.method == "roofline"


class Money(Assumption):
    """The unit of cost. In USD each phase runs on its own chip at pretraining.mfu times its relative efficiency."""

    unit: Literal["flops", "usd"] = Field(default="flops", description="training-equivalent FLOPs, or US dollars")
    train_chip: Accelerator = Field(default="H100 SXM", description="chip of pre-training and RL")  # type: ignore[assignment]
    serve_chip: Accelerator = Field(default="H100 SXM", description="chip of prefill and decode")  # type: ignore[assignment]

    @property
    def currency(self) -> str:
        """What costs are given in: "FLOP", training-equivalent ones, or "USD"."""
        return "FLOP" if self.unit == "flops" else "USD"


class Limits(Assumption):
    """What a design may not exceed. Every one keeps the problem log-log convex."""

    min_params: float | None = quantity("parameters", "smallest model allowed", gt=0, default=None, low=1e8, high=1e12)
    max_params: float | None = quantity("parameters", "largest model allowed", gt=0, default=None, low=1e9, high=1e13)
    max_train_tokens: float | None = quantity(
        "tokens", "longest training run allowed", gt=0, default=None, low=1e12, high=1e16
    )
    unique_tokens: float | None = quantity(
        "tokens",
        "unique training tokens, for max_epochs; a repetition law's own when left out",
        gt=0,
        default=None,
        low=1e12,
        high=1e14,
    )
    max_epochs: float | None = quantity(
        "epochs", "passes over the unique tokens allowed", gt=0, default=None, low=1, high=16
    )
    max_training_days: float | None = quantity(
        "days", "longest pre-training allowed on the fleet; RL comes on top", gt=0, default=None, low=10, high=365
    )
    fleet_chips: float | None = quantity(
        "chips", "chips of money.train_chip that pre-train", gt=0, default=None, low=1e3, high=1e6
    )
    max_bytes: float | None = quantity(
        "bytes", "memory allowed for the weights", gt=0, default=None, low=1e9, high=1e13
    )
    min_tokens_per_second_per_user: float | None = quantity(
        "tokens/s",
        "speed that every user must see; needs serving.method = 'roofline'",
        gt=0,
        default=None,
        low=10,
        high=200,
    )
    max_training_bytes_per_chip: float | None = quantity(
        "bytes", "memory of one chip that pre-training may fill", gt=0, default=None, low=4e10, high=3e11
    )
    bytes_per_param: float | None = quantity(
        "bytes",
        "memory per parameter as served, all experts counted",
        gt=0,
        default=None,
        low=0.5,
        high=4,
    )

    @model_validator(mode="after")
    def _pairs(self) -> "Limits":
        for one, other in (("max_training_days", "fleet_chips"), ("max_bytes", "bytes_per_param")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                given, missing = (one, other) if getattr(self, other) is None else (other, one)
                raise ValueError(f"has {given} without {missing}; give both")
        if self.unique_tokens is not None and self.max_epochs is None:
            raise ValueError("has unique_tokens without max_epochs; give both")
        return self


def _utilisation(path: str) -> Rule:
    """In USD a phase runs on a chip at its efficiency times pretraining.mfu, which is a share of the chip's peak."""
    block, _, field = path.partition(".")

    def efficiency(s: Any) -> Any:
        return getattr(getattr(s, block), field)

    return Rule(
        lambda s: s.money.unit != "usd" or efficiency(s) * s.pretraining.mfu <= 1,
        lambda s: (
            f"{path} = {efficiency(s):g} times pretraining.mfu = {s.pretraining.mfu:g} is a utilisation above 1; lower one of them"
        ),
    )


class Scenario(Assumption):
    """One complete question. Make one with `load`, or from plain data with `Scenario.from_dict`.

    >>> Scenario.from_dict({"goal": {"kind": "params", "params": "8B"},
    ...                     "traffic": {"kind": "total", "output_tokens": "10T"}}).goal.params
    8000000000.0
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        *map(_utilisation, ("rl.efficiency", "serving.prefill_efficiency", "serving.decode_efficiency")),
        Rule(
            lambda s: (
                s.deployment.sparsity is not None
                or s.deployment.expert_share is None
                or s.deployment.expert_share * s.law.total_over_active <= 1
            ),
            lambda s: (
                f"deployment.expert_share = {s.deployment.expert_share:g} times {s.law.total_over_active:.3g}, total over active "
                f"parameters of the law's experts, lies above 1: the experts alone would use more than the active parameters; lower "
                "deployment.expert_share, or give deployment.sparsity"
            ),
        ),
    )

    name: str = label("short name")
    description: str = label("what the scenario stands for")
    law: ChinchillaLaw | RepetitionLaw | MoELaw = Field("besiroglu", discriminator="kind", description="scaling law")  # type: ignore[assignment]
    goal: Goal = Field(description="what is asked")
    pretraining: Pretraining = Pretraining()
    rl: RL = NoRL()
    traffic: Traffic = Field(description="the tokens the model will serve")
    serving: Serving = Serving()
    deployment: Deployment = Deployment()
    money: Money = Money()
    limits: Limits = Limits()
    sources: dict[str, str] = label("where the scenario's own numbers come from, by dotted path", default={})

    _made_of: "Scenario | None" = PrivateAttr(default=None)

    @property
    def made_of(self) -> "Scenario | None":
        """The scenario of the same name that this one was made of by `update`, before anything was changed; `naming` reads it."""
        return self._made_of

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    @field_validator("law", mode="before")
    @classmethod
    def _law_kind_follows_from_its_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if isinstance(given, dict) and "kind" not in given:
            given = {**given, "kind": law_kind(str(given.get("name", ""))) or "chinchilla"}
        return given

    @model_validator(mode="after")
    def _agreement(self) -> "Scenario":
        problems = []
        optimised = self.rl.decided
        if (
            isinstance(self.goal, LossGoal)
            and self.goal.loss is None
            and optimised != (self.goal.like_rl_tokens is not None)
        ):
            problems.append(
                "goal.like_rl_tokens is missing: with rl.policy = 'optimised' the loss depends on RL tokens too; give it, or goal.loss."
                if optimised
                else "goal.like_rl_tokens is used only with rl.policy = 'optimised'; remove it."
            )
        if self.limits.max_epochs is not None and self.limits.unique_tokens is None and not self.law.repeats:
            problems.append("limits.max_epochs needs limits.unique_tokens, in tokens; give both.")
        problems += [f"{said}." for rule in self.rules if (said := rule.problem(self))]
        problems += self._roofline_problems()
        if self.sources:
            paths = dict.fromkeys([*schema_paths(type(self)), *self._values()])
            problems += [
                f"sources names {path!r}, which is not a number of a scenario{near_miss(path, paths)}"
                for path in self.sources
                if path not in paths
            ]
        if problems:
            raise InputError(problems)
        return self

    def _roofline_problems(self) -> list[str]:
        if not self.serving.by_roofline:
            return [
                f"{path} is used only with serving.method = 'roofline'; set it, or remove {path}."
                for path, value in {
                    "limits.min_tokens_per_second_per_user": self.limits.min_tokens_per_second_per_user,
                    "deployment.batch": None if self.deployment.batch == "optimal" else self.deployment.batch,
                }.items()
                if value is not None
            ]
        problems, chip = [], self.money.serve_chip
        if self.money.unit != "usd":
            problems.append("serving.method = 'roofline' prices time on a chip in USD; set money.unit = 'usd'.")
        problems += [
            f"serving.method = 'roofline' needs money.serve_chip.{field}, which {chip.title or 'the chip'} has not on record; give it."
            for field in ("hbm_bytes", "hbm_bytes_per_second")
            if getattr(chip, field) is None
        ]
        return problems

    def _values(self) -> dict[str, object]:
        """What `sources` may speak of: every number by dotted path, and the traffic table as a whole."""
        values: dict[str, object] = {path: value for path, _, value in self.quantities()}
        if isinstance(self.traffic, TableTraffic):
            values["traffic.table"] = self.traffic.table
        return values

    @classmethod
    @checks(plain=MAPPING, changes=MAPPING)
    def from_dict(cls, plain: Mapping[str, Any], changes: Mapping[str, object] | None = None) -> "Scenario":
        """The scenario that plain data describes (the shape of the TOML file), with dotted changes applied first.

        What is None counts as left out. Data that is a scenario without the changes means that scenario, updated.

        Raises:
            InputError: with one sentence for every problem; only that one where a newer version wrote the data.

        """
        given = without_none(plain)
        version = given.pop("schema_version", 0)
        problems = list(filter(None, [version_problem(version)]))
        if is_newer(version):
            raise InputError(problems)
        try:
            if not changes:
                found = validated(cls, given)
            else:
                try:
                    start = validated(cls, given)
                except InputError:
                    found = cls._completed(given, changes)
                else:
                    found = start.update(changes)
        except InputError as error:
            raise InputError([*problems, *error.problems]) from None
        except RecursionError:
            raise InputError(
                ["the scenario nests too deeply; a block holds fields, and no further blocks of its own."]
            ) from None
        if problems:
            raise InputError(problems)
        return found

    @classmethod
    def _completed(cls, given: dict[str, Any], changes: Mapping[str, object]) -> "Scenario":
        """A scenario out of data that is none by itself."""
        plain = changed(given, changes, cls)
        if "sources" not in changes and isinstance(plain.get("sources"), dict):
            plain["sources"] = {p: text for p, text in plain["sources"].items() if not is_touched(str(p), changes)}
        return validated(cls, plain)

    @classmethod
    @checks(text=TEXT, changes=MAPPING)
    def from_toml(
        cls,
        text: str,
        changes: Mapping[str, object] | None = None,
        *,
        where: str = "the scenario",
        folder: Path | None = None,
    ) -> "Scenario":
        """The scenario in TOML text. Raises InputError, as `from_dict`, also where the text is not TOML.

        Args:
            text: the file's content.
            changes: dotted paths to replace before anything is checked, so that they may supply what the text leaves out.
            where: what to call the text in an error.
            folder: where a relative `traffic.file` is looked up; the working directory by default.

        """
        try:
            plain = plain_toml(text)
        except ValueError as error:
            raise InputError([f"{where} is not valid TOML: {error}."]) from None
        traffic = plain.get("traffic")
        if folder is not None and isinstance(traffic, dict) and isinstance(traffic.get("file"), str):
            traffic["file"] = str(folder / traffic["file"])
        return cls.from_dict(plain, changes)

    def to_toml(self) -> str:
        """The scenario as TOML, with the version of its form; reading it back gives an equal scenario."""
        return tomli_w.dumps({"schema_version": SCHEMA_VERSION, **self.to_dict()})

    @checks(changes=MAPPING)
    def update(self, changes: Mapping[str, object]) -> "Scenario":
        """A new scenario with dotted paths replaced: `s.update({"traffic.growth": 0.05, "law": "hoffmann"})`.

        Values may be numbers, human numbers ("100B") or, for a whole block, plain data. None leaves a field out. A new kind or
        policy drops the fields that only the old one had; a changed number loses the source it had.

        Raises:
            InputError: with one sentence for every problem.

        """
        plain = changed(self.to_dict(), changes, type(self))
        if "sources" in changes or not self.sources:
            return self._became(validated(type(self), plain), changes)
        # Sources are sorted out by value: a number that is what it was keeps its source, however the change was written.
        del plain["sources"]
        found = validated(type(self), plain)
        before, after = self._values(), found._values()
        kept = {path: text for path, text in self.sources.items() if before.get(path) == after.get(path)}
        return self._became(found.model_copy(update={"sources": kept}), changes)

    def _became(self, found: "Scenario", changes: Mapping[str, object]) -> "Scenario":
        """`found` with what it was made of; a description does not survive a change of what it describes, a new name starts anew."""
        start = self._made_of if self._made_of is not None and found.name == self.name else self
        alike = all(getattr(start, block) == getattr(found, block) for block in self._children)
        if "description" not in changes:
            found = found.model_copy(update={"description": start.description if alike else ""})
        found._made_of = None if alike or found.name != self.name else start
        return found


SCENARIO = instance_of(
    Scenario, "make one with load('lecture-2026') or Scenario.from_dict({'goal': ..., 'traffic': ...})"
)
"""The check of an argument that is a scenario."""
