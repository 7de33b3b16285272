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
    """Check the lecture's "100x over-trained": its arithmetic, the exact optimum under every law, and what carries the result.

    Example: overtrain reproduce --claims
    """
    with reporting_errors():
        if claims:
            from ..evidence.claims import claims as every_claim

            found = every_claim()
            if json_:
                show_json([claim._asdict() for claim in found])
                return
            from ..report.serving_text import claims_text

            show(claims_text(found))
            return
        from ..evidence import lecture

        steps, frame, waterfall = lecture.arithmetic(), lecture.ensemble(), lecture.waterfall()
        elasticities, sentence = lecture.carries()
        means = {
            tokens: {
                name: lecture.geometric_mean(frame[column].to_dict(), same_fit_once=once)
                for name, once in (("all", False), ("same_fit_once", True))
            }
            for tokens, column in (("200T", "pinned_vs_rule_of_20"), ("259.2T", "pinned_exact_vs_rule_of_20"))
        }
        if json_:
            laws = records(frame)
            stairs = records(waterfall)
            show_json(
                {
                    "arithmetic": [step._asdict() for step in steps],
                    "laws": laws,
                    "units": frame.attrs["units"],
                    "geometric_mean": means,
                    "waterfall": stairs,
                    "elasticities": elasticities,
                    "sentence": sentence,
                }
            )
            return
        from ..report.text import reproduction_text

        show(reproduction_text(steps, frame, waterfall, means, sentence))
