"""Page Method: why 100x, the claims, and the sources of every number."""

from optimizer.app import show
from optimizer.app.pages import sources, why


def page() -> None:
    """The whole page."""
    show.parts("Method", {"Why 100x": why.page, "Sources": sources.page}, "method_part")


if __name__ == "__main__":
    page()
