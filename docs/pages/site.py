"""Hooks of mkdocs: pages that are written from the code when the site is built, and formulas as MathML.

README.md is the home page and CHANGELOG.md the page of changes. MathML is drawn by the browser itself, so that a formula needs no script.
"""

import json
import re
from pathlib import Path
from typing import Any

import typer
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from typer.testing import CliRunner

import optimizer
from optimizer import Scenario, chart
from optimizer.cli import main
from optimizer.model import outputs

__all__ = ["for_programs", "on_files", "on_page_content", "written"]

ROOT = Path(__file__).parents[2]


def written() -> dict[str, str]:
    """Markdown of each page that has no file in docs."""
    return {
        "index.md": _of_the_root("README.md"),
        "changelog.md": _of_the_root("CHANGELOG.md"),
        "command.md": _command(),
        "api.md": _api(),
        "outputs.md": _outputs(),
        "schema.md": _schema(),
    }


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds the written pages."""
    pages = written()
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    texts = {f.src_uri: f.content_string for f in files if f.src_uri.endswith(".md")} | pages
    for name, content in for_programs(config["nav"], texts).items():
        files.append(File.generated(config, name, content=content))
    return files


def for_programs(nav: list[Any], texts: dict[str, str]) -> dict[str, str]:
    """llms.txt, the list of pages in the order of the menu, and llms-full.txt, their Markdown one after the other (llmstxt.org)."""
    head = [f"# Overtrain {optimizer.__version__}", f"> {optimizer.__doc__.splitlines()[0]}"]
    short, whole = [*head], [*head]
    for entry in nav:
        ((part, found),) = entry.items()
        pages = [page for item in found for page in item.items()] if isinstance(found, list) else [(part, found)]
        pages = [(title, path) for title, path in pages if path in texts]
        short += [f"## {part}", "\n".join(f"- [{title}]({path.removesuffix('.md')}.html)" for title, path in pages)]
        whole += [texts[path].strip() for _, path in pages]
    return {"llms.txt": "\n\n".join(short) + "\n", "llms-full.txt": "\n\n".join(whole) + "\n"}


def on_page_content(html: str, **_: Any) -> str:
    """Formulas between dollars become MathML."""
    return re.sub(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', _mathml, html, flags=re.DOTALL)


def _of_the_root(name: str) -> str:
    """A page that lies above docs, with its links as they are seen from docs."""
    return (ROOT / name).read_text().replace("](docs/", "](")


def _mathml(found: re.Match[str]) -> str:
    tex = found[3].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return convert(tex, display="block" if found[2] == "[" else "inline")


def _command() -> str:
    parts = [
        "# The command",
        "Written from `overtrain --help`. Numbers may be written 100B, 150T, 1.3e15, 1_000, 38% or 1/3.",
    ]
    for name in sorted(typer.main.get_group(main).commands):
        text = (
            CliRunner().invoke(main, [name, "--help"], env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}).output
        )
        lines = [line.rstrip() for line in text.splitlines() if not line.strip().startswith("Usage:")]
        parts += [f"## overtrain {name}", "```text\n" + "\n".join(lines).strip("\n") + "\n```"]
    return "\n\n".join(parts)


def _api() -> str:
    head = "# Python\n\nEverything that `import optimizer` offers, from the docstrings.\n\n"
    shown = [f"::: optimizer.{home}.{name}" for name, home in sorted(optimizer._HOME.items()) if name != "chart"]
    charts = [
        f"::: {getattr(chart, name).__module__}.{name}\n    options:\n      heading_level: 3" for name in chart.__all__
    ]
    about = (chart.__doc__ or "").strip()
    return head + "\n\n".join(
        [*shown, "## chart {#optimizer.report.chart}", "`from optimizer import chart`: " + about, *charts]
    )


def _outputs() -> str:
    rows = [f"| `{o.column}` | {o.name} | {o.symbol} | {o.unit} | {o.formula} |" for o in outputs._DECLARED]
    head = [
        "# Outputs",
        'Columns of frames, tables and files, with their units; "money" is FLOP or USD, as `money.unit` says.',
    ]
    table = ["| column | name | symbol | unit | formula |", "|---|---|---|---|---|", *rows]
    return "\n\n".join([*head, "\n".join(table).replace(" money |", " FLOP or USD |")])


def _schema() -> str:
    schema = json.dumps(Scenario.model_json_schema(), indent=1)
    return f"# Schema\n\nThe JSON Schema of a scenario file: `Scenario.model_json_schema()` in Python.\n\n```json\n{schema}\n```"
