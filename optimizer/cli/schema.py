"""`overtrain schema`: the JSON Schema of scenario files."""

from ._common import show_json

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of scenario files, for editors and programs.

    Every field has its unit, its range and its source. What the schema accepts, solve reads, apart from rules between two numbers and
    bounds of numbers that are written as text; overtrain solve FILE --json names those in sentences.

    Example: overtrain schema
    """
    from ..assumptions.scenario import Scenario

    show_json(Scenario.model_json_schema())
