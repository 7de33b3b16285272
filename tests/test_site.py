"""The documentation site: it builds without a broken link and fetches nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for package in ("material", "mkdocstrings", "mkdocs_jupyter", "latex2mathml"):
        pytest.importorskip(package, reason="the site needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_fetch_nothing_from_elsewhere(site):
    loads = r'<(?:script|img|iframe)[^>]*\ssrc="(https?:|//)|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(https?:|//)'
    found = [p.name for p in site.rglob("*.html") if re.search(loads, p.read_text())]
    assert not found


def test_formulas_are_mathml(site):
    blocks = {"model": 3, "laws": 8, "fit": 2, "sensitivity": 5, "serving": 15, "sweeps": 1}
    for name, count in blocks.items():
        page = (site / f"{name}.html").read_text()
        assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') == count, name
        assert not re.search(r"arithmatex|<m\w+[^>]*>(\\|&#x0005C;)", page), name  # each command of TeX is known
    plain = [
        p.name
        for p in DOCS.rglob("*.md")
        if re.search(r"^ {4}[\w' ]+ = .*[\^/(] ?[a-zA-Z]", p.read_text(), re.MULTILINE)
    ]
    assert set(plain) <= {"assumptions.md"}, plain  # TOML


def test_pages_written_from_the_code_have_every_name(site):
    import optimizer
    from optimizer.cli import main

    api, command = (site / "api.html").read_text(), (site / "command.html").read_text()
    assert not [n for n in optimizer.__all__ if f".{n}</span>" not in api and f'.{n}"' not in api]
    assert not [n for n in optimizer.chart.__all__ if not re.search(rf'id="optimizer\.report\.chart\.\w+\.{n}"', api)]
    names = [c.name or c.callback.__name__ for c in main.registered_commands]
    assert not [n for n in names if f"overtrain {n}" not in command]


def test_stars_of_symbols_stay_stars(site):
    pages = {p.name: p.read_text() for p in site.glob("*.html")}
    assert "N*, D*, over-training" in pages["sensitivity.html"]
    assert not [name for name, text in pages.items() if re.search(r"<em>[,;) /]", text)]


def test_programs_find_every_page(site):
    short, whole = ((site / name).read_text() for name in ("llms.txt", "llms-full.txt"))
    links = re.findall(r"\]\(([\w/-]+\.html)\)", short)
    assert not [link for link in links if not (site / link).exists()]
    pages = {str(p.relative_to(DOCS).with_suffix(".html")) for p in DOCS.rglob("*.md")}
    assert pages <= {*links}
    assert all(p.read_text().strip() in whole for p in DOCS.rglob("*.md"))


def test_every_picture_is_shown():
    text = "".join(p.read_text() for p in [ROOT / "README.md", *DOCS.rglob("*.md")])
    assert not [p.name for p in (DOCS / "images").iterdir() if f"images/{p.name}" not in text]
