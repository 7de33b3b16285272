"""Sentences of the library on a page, with the names of assumptions in place of their dotted paths."""

from collections.abc import Sequence

import streamlit as st

from ..assumptions.naming import worded

__all__ = ["escaped", "problems", "said", "warned"]

_SPECIAL = "\\`*_{}[]()#+-.!|<>$~:"


def escaped(text: str) -> str:
    """Text as Markdown that shows every character; typed text must not become a link or a picture. No line begins with a %."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in text.replace(" %", "\N{NO-BREAK SPACE}%"))


def said(sentence: str) -> str:
    """A sentence of the library for a page: as Markdown, in words; one that began with a path begins with a capital letter."""
    words = worded(sentence)
    same = words.partition(" ")[0] == sentence.partition(" ")[0]
    return escaped(words if same else words[:1].upper() + words[1:])


def problems(sentences: Sequence[str]) -> None:
    """Problems of what is asked for."""
    st.error("\n\n".join(said(sentence) for sentence in sentences))


def warned(sentences: Sequence[str]) -> None:
    """Warnings about a scenario that is accepted."""
    for sentence in sentences:
        st.warning(said(sentence))
