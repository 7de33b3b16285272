"""The laws of data/laws.csv: their names, kinds and coefficients."""

from functools import cache

from .tables import rows

__all__ = ["law_in_words", "law_kind", "law_names", "published"]

_FITS = {
    "chinchilla-points": "Hoffmann et al. 2022",
    "gadre-c4": "Gadre et al. 2024, C4",
    "gadre-rpj": "Gadre et al. 2024, RedPajama",
    "gadre-rw": "Gadre et al. 2024, RefinedWeb",
    "gemstones": "Gemstones",
    "llama3-isoflop": "Llama 3 isoFLOPs",
    "sardana-runs": "Sardana et al. 2024",
}
"""Public runs that this project fitted, by the beginning of the names of their laws."""
_IN_WORDS = {
    "besiroglu": "Besiroglu et al. 2024",
    "hoffmann": "Hoffmann et al. 2022 (Chinchilla)",
    "hoffmann-rounded": "Hoffmann et al. 2022, as printed",
    "de-vries": "De Vries 2023",
    "muennighoff": "Muennighoff et al. 2023",
    **{f"sardana-{most}": f"Sardana et al. 2024, at most {most} tokens a parameter" for most in (100, 250, 500)},
    "sardana-all": "Sardana et al. 2024, all runs",
    "ludziejewski": "Ludziejewski et al. 2025",
    "abnar": "Abnar et al. 2025",
    "krajewski": "Krajewski et al. 2024",
    **{f"{runs}-{form}": f"Fit to {of}, {form}" for runs, of in _FITS.items() for form in ("additive", "coupled")},
}
"""The laws of data/laws.csv in words."""


def law_in_words(name: str) -> str:
    """Who published a law and when, or which runs it was fitted to; any other name as it is, and what follows it in brackets.

    >>> law_in_words("besiroglu"), law_in_words("gadre-c4-coupled"), law_in_words("mine")
    ('Besiroglu et al. 2024', 'Fit to Gadre et al. 2024, C4, coupled', 'mine')
    >>> law_in_words("besiroglu (changed: E = 1.6)")
    'Besiroglu et al. 2024 (changed: E = 1.6)'

    """
    law, bracket, rest = name.partition(" (")
    return f"{_IN_WORDS.get(law, law)}{bracket}{rest}"


def law_names(*uses: str) -> list[str]:
    """Names of the laws in data/laws.csv, in table order.

    Args:
        uses: keep only laws for these uses: "ensemble" (credible readings of dense training), "moe", "stress" (stress tests only),
            "fitted" (this project's fits to public runs, in both forms).

    """
    return [law for law, use in _uses().items() if not uses or use in uses]


@cache
def _uses() -> dict[str, str]:
    return {r["law"]: r["use"] for r in rows("laws") if r["use"] != "constant"}


@cache
def law_kind(name: str) -> str | None:
    """The kind of a law in data/laws.csv, chinchilla, coupled or moe; None for a name it does not have."""
    return next((r["law_kind"] for r in rows("laws") if r["law"] == name and r["use"] != "constant"), None)


@cache
def published(name: str) -> dict[str, float]:
    """The numbers that data/laws.csv has under a name."""
    return {r["parameter"]: float(r["value"]) for r in rows("laws") if r["law"] == name}
