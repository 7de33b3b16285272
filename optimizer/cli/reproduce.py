"""`overtrain reproduce`: the lecture's figures, checked."""

from typing import Annotated

import typer

from ._common import AsJson, records, reporting_errors, show, show_json

__all__ = ["reproduce"]


def reproduce(
    claims: Annotated[
        bool, typer.Option("--claims", help="Check the lecture's statements on serving instead.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Check the lecture's "100x over-trained": its arithmetic, the exact optimum under every law and accounting of the bills, released
    models, and what stands.

    Example: overtrain reproduce --claims
    """
    with reporting_errors(json_):
        if claims:
            from ..evidence.claims import claims as every_claim

            found = every_claim()
            if json_:
                show_json([claim._asdict() for claim in found])
                return
            from ..report.serving_text import claims_text

            show(claims_text(found))
            return
        from ..evidence import lecture, reproduction

        steps, laws, cells = lecture.arithmetic(), reproduction.by_law(), reproduction.by_accounting()
        waterfall, models = reproduction.waterfall(), reproduction.revealed()
        grouped, verdict = reproduction.by_year_and_size(models), reproduction.verdict(laws, cells, models)
        elasticities, sentence = lecture.carries()
        if json_:
            means = {
                tokens: {form: reproduction.mean_over(laws, column, form=form) for form in ("additive", "coupled")}
                | {"all": reproduction.mean_over(laws, column)}
                for tokens, column in (("200T", "pinned_vs_rule_of_20"), ("259.2T", "pinned_exact_vs_rule_of_20"))
            }
            show_json(
                {
                    "arithmetic": [step._asdict() for step in steps],
                    "laws": records(laws),
                    "units": laws.attrs["units"],
                    "geometric_mean": means,
                    "accounting": [cell._asdict() for cell in cells],
                    "waterfall": records(waterfall),
                    "models": records(models),
                    "models_by_year_and_size": records(grouped.set_index("year")),
                    "models_units": models.attrs["units"],
                    "implied_by": {"law": models.attrs["law"], "interval": 0.8, "cost": "6 N D + 2 N T"},
                    "elasticities": elasticities,
                    "verdict": verdict,
                    "sentence": sentence,
                }
            )
            return
        from ..report.reproduction_text import reproduction_text

        show(reproduction_text(steps, laws, waterfall, cells, grouped, models.attrs["law"], verdict, sentence))
