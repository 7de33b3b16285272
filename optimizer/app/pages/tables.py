"""Page Tables and Compare: the optimal size over a grid of assumptions, pinned scenarios compared, and given designs."""

from optimizer.app import show
from optimizer.app.pages import compare, design, sizes


def page() -> None:
    """The whole page."""
    kept = {"Model-size table": sizes.page, "Compare": compare.page, "Given design": design.page}
    show.parts("Tables and Compare", kept, "tables_part")


if __name__ == "__main__":
    page()
