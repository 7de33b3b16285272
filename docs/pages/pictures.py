"""Draws the pictures of README and docs that come from charts: `python -m docs.pages.pictures` writes docs/images."""

from pathlib import Path

from optimizer import chart, fit, load
from optimizer.analysis.why import every_law
from optimizer.evidence.runs import example_runs
from optimizer.report.chart.drawing import Drawing
from optimizer.report.chart.picture import picture

__all__ = ["drawings"]

IMAGES = Path(__file__).parents[1] / "images"


def drawings() -> dict[str, Drawing]:
    """Each picture by the name of its file."""
    laws = every_law(load("lecture-2026")).query("kind == 'law'")
    found = fit(example_runs()["sardana"])
    return {
        "laws.png": chart.band_against_law.drawing(laws, reference=100),
        "fit-residuals.png": chart.residuals.drawing(found.residuals()),
        "fit-isoloss.png": chart.isoloss.drawing(found.isoloss()),
    }


if __name__ == "__main__":
    for name, drawing in drawings().items():
        (IMAGES / name).write_bytes(picture(drawing, "png"))
