"""The scenario, the whole question: law, goal, the three bills, money and limits; one TOML file.

Dotted paths such as `pretraining.mfu` name every number, the same in TOML, `--set`, tables and gradients.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tomli_w
from pydantic import Field, PrivateAttr, field_validator, model_validator

from .arguments import MAPPING, TEXT, checks, instance_of
from .bills import Money, Pretraining, Serving
from .changes import changed, without_none
from .deployment import Deployment
from .experts import GranularLaw, MoELaw
from .goal import Goal, LossGoal
from .law import ChinchillaLaw, CoupledLaw
from .law_file import law_found_in, with_law_file
from .limits import Limits
from .numbers import human
from .paths import is_touched, schema_paths
from .problems import InputError, near_miss
from .published_laws import law_kind
from .quantisation import quantised
from .quantity import Assumption, Rule, label
from .repetition import RepetitionLaw
from .rl import RL, NoRL
from .sparsity import SparsityLaw
from .speed import efficiencies, utilisation
from .toml import plain_toml
from .traffic import TableTraffic, TotalTraffic, Traffic
from .validation import validated
from .version import SCHEMA_VERSION, as_now, is_newer, version_problem

__all__ = ["SCENARIO", "Scenario"]


def _utilisation(path: str, efficiency: Callable[[Any], Any]) -> Rule:
    """In USD a phase runs on a chip at its efficiency times the utilisation of pre-training, a share of the chip's peak."""
    block, _, field = path.partition(".")

    def sentence(s: Any) -> str:
        share, given = efficiency(s) * utilisation(s), getattr(s, block)
        if path == "pretraining.mfu" or getattr(given, field) is None:
            speed = f"{block}.{given.instead[field]}"
            return (
                f"{speed} = {human(getattr(given, given.instead[field]))} tokens/s at {block}.measured_params = "
                f"{human(given.measured_params)} is {share:.3g} times the peak of its chip; check the speed, which is that of one chip, "
                "the size that was measured, and the chip"
            )
        mfu = "pretraining.mfu" if s.pretraining.mfu is not None else "the measured utilisation of pre-training"
        return (
            f"{path} = {efficiency(s):g} times {mfu} = {utilisation(s):g} is a utilisation above 1; lower one of them"
        )

    def holds(s: Any) -> Any:
        mfu = utilisation(s)
        found = efficiency(s) * mfu <= 1
        # A speed of pre-training above the peak is one problem, not one of every phase.
        return not s.money.in_usd or (found if path == "pretraining.mfu" else found | (mfu > 1))

    return Rule(holds, sentence)


class Scenario(Assumption):
    """One complete question. Make one with `load`, or from plain data with `Scenario.from_dict`.

    >>> Scenario.from_dict({"goal": {"kind": "params", "params": "8B"},
    ...                     "traffic": {"kind": "total", "output_tokens": "10T"}}).goal.params
    8000000000.0
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        _utilisation("pretraining.mfu", lambda _: 1.0),
        _utilisation("rl.efficiency", lambda s: s.rl.efficiency),
        _utilisation("serving.prefill_efficiency", lambda s: efficiencies(s).prefill),
        _utilisation("serving.decode_efficiency", lambda s: efficiencies(s).decode),
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
        Rule(
            lambda s: (
                (s.money.discount_rate == 0) & (s.money.price_decline == 0) | (not isinstance(s.traffic, TotalTraffic))
            ),
            lambda s: (
                f"money.discount_rate = {human(s.money.discount_rate)} and money.price_decline = {human(s.money.price_decline)} weigh the "
                "months of a forecast, and traffic.kind = 'total' has none; set both to 0, or give the traffic by month "
                "(traffic.kind = 'growth' or 'table')"
            ),
        ),
    )

    name: str = label("short name")
    description: str = label("what the scenario stands for")
    law: ChinchillaLaw | CoupledLaw | RepetitionLaw | MoELaw | SparsityLaw | GranularLaw = Field(
        "besiroglu", discriminator="kind", description="scaling law"
    )  # type: ignore[assignment]
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

    def __repr__(self) -> str:
        """One screen: title, what is taken as given, and caveats; `to_dict` has every number. Every field where numbers are traced."""
        from .page import scenario_text

        known = all(isinstance(value, float) for _, _, value in self.quantities())
        return scenario_text(self) if known else super().__repr__()

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from .page import scenario_html

        return scenario_html(self)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    @field_validator("law", mode="before")
    @classmethod
    def _law_kind_follows_from_its_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if isinstance(given, dict):
            given = with_law_file(given)
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
            and (optimised != (self.goal.like_rl_tokens is not None) or (optimised and self.goal.like_tokens is None))
        ):
            missing = [name for name in ("like_tokens", "like_rl_tokens") if getattr(self.goal, name) is None]
            problems.append(
                f"goal.{' and goal.'.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: with rl.policy = 'optimised' the "
                "loss depends on training and RL tokens, and no law says what is compute-optimal for both; give "
                f"{'it' if len(missing) == 1 else 'them'}, or goal.loss."
                if optimised
                else "goal.like_rl_tokens is used only with rl.policy = 'optimised'; remove it."
            )
        if optimised and quantised(self):
            problems.append(
                f"serving.quantisation = {self.serving.quantisation!r} counts a loss that grows with training tokens, and rl.policy = "
                "'optimised' weighs training against RL tokens without it; set rl.policy to 'none', 'tokens', 'ratio', 'flops' or "
                "'cost_share', or serving.quantisation = 'none'."
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
                    "limits.max_seconds_to_first_token": self.limits.max_seconds_to_first_token,
                    "deployment.batch": None if self.deployment.batch == "optimal" else self.deployment.batch,
                }.items()
                if value is not None
            ]
        problems, chip = [], self.money.serve_chip
        if not self.money.in_usd:
            problems.append("serving.method = 'roofline' prices time on a chip in USD; set money.unit = 'usd'.")
        problems += [
            f"serving.method = 'roofline' needs money.serve_chip.{field}, which {chip.title or 'the chip'} has not on record; give it."
            for field in ("hbm_bytes", "hbm_bytes_per_second")
            if getattr(chip, field) is None
        ]
        bounded = self.deployment.batch != "optimal" or self.limits.min_tokens_per_second_per_user is not None
        if self.deployment.prefill == "together" and self.limits.max_seconds_to_first_token is not None and not bounded:
            problems.append(
                "limits.max_seconds_to_first_token needs a bound on the steps that come between the parts of a prompt where "
                "deployment.prefill = 'together': set limits.min_tokens_per_second_per_user, or deployment.batch = 'latency' or 'fixed'."
            )
        if self.serving.context_tokens is not None:
            problems.append(
                "serving.context_tokens is used only with serving.method = 'efficiency'; the roofline takes deployment.context_tokens. "
                "Remove it."
            )
        problems += [
            f"serving.{speed} is used only with serving.method = 'efficiency': step times of the deployment give the roofline's speed; "
            "remove it."
            for speed in self.serving.instead.values()
            if getattr(self.serving, speed) is not None
        ]
        return problems

    def _values(self) -> dict[str, object]:
        """What `sources` may name: every number by dotted path, and the traffic table as a whole."""
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
        version = given.pop("schema_version", SCHEMA_VERSION)
        problems = list(filter(None, [version_problem(version)]))
        if is_newer(version):
            raise InputError(problems)
        given = as_now(given, version)
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
        """A scenario from data that is incomplete by itself."""
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
            folder: where a relative `traffic.file` or file of a law is looked up; the working directory by default.

        """
        try:
            plain = plain_toml(text)
        except ValueError as error:
            raise InputError([f"{where} is not valid TOML: {error}."]) from None
        traffic = plain.get("traffic")
        file = traffic.get("file") if isinstance(traffic, dict) else None
        if folder is not None and isinstance(traffic, dict) and isinstance(file, str):
            traffic["file"] = str(folder / file)
        if folder is not None and isinstance(file, dict) and isinstance(file.get("path"), str):
            file["path"] = str(folder / file["path"])
        if folder is not None and "law" in plain:
            plain["law"] = law_found_in(plain["law"], folder)
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
        """`found` with what it was made of; a changed scenario loses its description, and a new name makes it a scenario of its own."""
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
