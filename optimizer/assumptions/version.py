"""The version of the form that scenarios are written in: TOML, links and files of pins carry it; it rises when the form changes.

`to_dict` does not carry it: plain data in a program is of the version of the program. A text without it is of version 0, which reads as 1.
"""

__all__ = ["SCHEMA_VERSION", "is_newer", "version_problem"]

SCHEMA_VERSION = 1


def is_newer(version: object) -> bool:
    """Whether a newer version of Overtrain wrote the text; the rest of it may then have another meaning."""
    return isinstance(version, int) and version > SCHEMA_VERSION


def version_problem(version: object, where: str = "schema_version") -> str:
    """The sentence about a version that cannot be read, "" where it can."""
    if is_newer(version):
        return (
            f"{where} is {version}, and this version of Overtrain reads up to {SCHEMA_VERSION}: a newer one wrote the scenario. "
            f"Update Overtrain to open it, or write the scenario anew with {where} = {SCHEMA_VERSION}."
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        shown = repr(version)[:60]
        return (
            f"{where} must be a whole number from 0 to {SCHEMA_VERSION}, got {shown}; leave it out where none is known."
        )
    return ""
