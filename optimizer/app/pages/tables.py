"""Page Tables and Compare: the optimal size over a grid of assumptions, and pinned scenarios compared."""

from optimizer.app import show
from optimizer.app.pages import compare, sizes


def page() -> None:
    """The whole page."""
    show.parts("Tables and Compare", {"Model-size table": sizes.page, "Compare": compare.page}, "tables_part")


if __name__ == "__main__":
    page()
