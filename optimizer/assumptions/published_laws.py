"""The laws of data/laws.csv: their names, kinds and coefficients."""

from functools import cache

from .tables import rows

__all__ = ["law_kind", "law_names", "published"]


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
