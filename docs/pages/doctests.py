"""An extension of griffe: examples in docstrings are fenced, so that Markdown reads them as code and no bracket as a link."""

import re
from typing import Any

import griffe

__all__ = ["Doctests"]

_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences every run of lines that begins with >>> and ends at an empty line."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Changes the docstring of an object in place."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", obj.docstring.value)
