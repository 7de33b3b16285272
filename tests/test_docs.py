"""What the documents say is true: commands run, code runs, numbers are the ones computed."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer import load, solve
from optimizer.assumptions.numbers import human
from optimizer.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EVIDENCE = (ROOT / "docs" / "evidence.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("console") for line in block.splitlines() if line.startswith("overtrain")]


def test_the_readme_shows_every_command():
    shown = {line.split()[1] for line in commands()}
    assert shown == {command.name or command.callback.__name__ for command in main.registered_commands}


ELSEWHERE = ("app", "mcp", "sweep")
"""Commands that wait for a browser, a client or files; test_app.py, test_mcp.py and test_sweep.py run them."""


@pytest.mark.parametrize("line", [line for line in commands() if line.split()[1] not in ELSEWHERE])
def test_commands_of_the_readme_run(line):
    arguments = shlex.split(line.split(">")[0])[1:]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output


def test_python_of_the_readme_runs():
    (code,) = blocks("python")
    assert len(code.strip().splitlines()) < 10
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("title", "law"),
    [("Besiroglu", "besiroglu"), ("Muennighoff", "muennighoff"), ("De Vries", "de-vries"), ("Hoffmann", "hoffmann")],
)
def test_the_table_of_the_evidence_is_computed(title, law):
    (row,) = [line for line in EVIDENCE.splitlines() if line.startswith(f"| {title}")]
    best = solve(load("lecture-2026").update({"law": law}))
    _, _, optimum, ratio, band, _ = (cell.strip() for cell in row.split("|"))
    n, d = best.design.n_params, best.design.train_tokens
    assert optimum == f"{human(n, 3)} on {human(d, 3)}"
    assert ratio == f"{best.overtraining.vs_rule_of_20:.0f}x"
    ends = [f"{v / 1e9:.0f}B" for v in best.band.n_params] + [f"{v:.0f}x" for v in best.band.overtraining_vs_rule_of_20]
    assert band == f"{ends[0]} to {ends[1]}, {ends[2]} to {ends[3]}"


def test_the_accountings_of_the_evidence_are_computed():
    from optimizer.evidence import reproduction

    cells = [c for c in reproduction.by_accounting() if c.overhead == 1 and c.load == 1]
    for rl in reproduction.POLICIES:
        said = [f"{c.mean:.0f}x ({c.lowest:.0f}-{c.highest:.0f}), {c.inside} of {c.laws}" for c in cells if c.rl == rl]
        assert f"| {rl} | {' | '.join(said)} |" in EVIDENCE
    for rl, words in (
        ("fixed tokens, 133T", "a fixed number of tokens"),
        ("as much as pre-training", "costs as much as pre-training"),
    ):
        lowest, highest = (
            end(getattr(c, n) for c in cells if c.rl == rl) for end, n in ((min, "lowest"), (max, "highest"))
        )
        assert re.search(rf"{lowest:.0f}x to {highest:.0f}x[^,]* when RL (is )?{words}", README), rl
    frame = reproduction.by_law().query("weight > 0")
    low, high = (f"{100 * end(frame['lecture_point_excess_cost']):.1f}" for end in (min, max))
    assert f"costs {low} to {high} % more than the optimum" in EVIDENCE
    assert (
        f"in the 5 % band of {frame['claim_in_band'].sum()} of {len(frame)} laws when RL is a fixed number of tokens"
        in EVIDENCE
    )


def test_the_errors_of_serving_in_the_evidence_are_those_of_the_report():
    from optimizer.model.accuracy import SERVING_ERRORS

    said = [f"{100 * error.median:.0f} %" for error in SERVING_ERRORS.values()]
    one, tensor, experts, community, tuned = said
    assert (
        f"the median error is {one} for dense models on one chip, {tensor} with tensor parallelism, {experts} for experts"
        in EVIDENCE
    )
    assert f"{community} for community servers and {tuned} for software tuned to DeepSeek-V3" in EVIDENCE


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("console")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_no_step_of_make_run_is_silent():
    makefile = (ROOT / "Makefile").read_text()
    for target in (
        "run",
        "docs",
        r"\.venv/bin/python",
        *(rf"\.venv/{name}\.stamp" for name in ("run", "test", "dev", "docs")),
    ):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1].splitlines()
        assert not [line for line in recipe if not line.startswith(("\t@echo", "\ttouch", "\t$(BUSY) "))], target
    asked = ["make", "--silent", "--eval", "x: ; $(BUSY) sh -c 'sleep 1; echo ended; exit 3'", "x", "BEAT=0.2"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    first, *others = done.stdout.splitlines()
    assert first == "sh -c sleep 1; echo ended; exit 3"
    others.remove("ended")
    assert {*others} == {"  still working"}
    assert "Error 3" in done.stderr


def test_the_reference_of_assumptions_is_fresh():
    from docs.pages.assumptions import reference

    page = (ROOT / "docs" / "assumptions.md").read_text()
    assert page == reference(), "renew it: python -m docs.pages.assumptions > docs/assumptions.md"


def test_the_chip_of_the_how_to_is_a_scenario():
    (chip,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "howto" / "chip.md").read_text(), re.DOTALL)
    found = load("open-weights-8b").update(tomllib.loads(chip)).money.serve_chip
    assert (found.label, found.peak_flops) == ("My chip", 4e14)


HOWTOS = re.findall(
    r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text().split("- How-to:")[1].split("\n  - ")[0], re.MULTILINE
)
PAGES = ("start.md", "traffic.md", "howto/chip.md", "howto/design.md", "howto/programs.md")
"""Pages all of whose commands run here; fit.md, tables.md and sweeps.md have tests of their own."""


def block_of(page: str) -> str:
    """The first block of a page, which does what the page is about."""
    return re.findall(r"```(?:bash|console|text)\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)[0]


def done_by(block: str) -> str:
    """What a block prints: commands of ours in this process, the rest by a shell."""
    printed = ""
    for part in re.split(r"^(overtrain .*)$", block, flags=re.MULTILINE):
        if part.startswith("overtrain "):
            done = CliRunner().invoke(main, shlex.split(part)[1:])
            assert done.exit_code == 0, (part, done.output)
            printed += done.output
        elif part.strip():
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            subprocess.run(["bash", "-ec", part], check=True, env=os.environ | {"PATH": path})
    return printed


@pytest.mark.parametrize("page", HOWTOS)
def test_a_how_to_begins_with_a_block_to_copy(page):
    text = (ROOT / "docs" / page).read_text()
    assert block_of(page)
    unfenced = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.findall(r"^    \S.*", unfenced, re.MULTILINE)  # a block without a button to copy it


def test_commands_of_the_pages_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = {*commands(), "overtrain app", "overtrain mcp"}
    shown = [
        b
        for page in PAGES
        for b in re.findall(r"```(?:bash|console)\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    ]
    lines = [line for block in shown for line in block.splitlines() if line not in run and not line.startswith("make ")]
    printed = done_by("\n".join(lines) + "\n")
    assert "6.452T tokens, 21 % output, read as tokens per day" in printed  # usage.csv, all of it
    assert "share 10 %" not in printed


def test_the_block_of_sweeps_answers_its_scenarios(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "1,000" in done_by(block_of("sweeps.md"))


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"overtrain-([\d.]+)-py3", (ROOT / "docs" / "release.md").read_text()) == [version]
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_page_on_prices_is_fresh():
    from docs.pages.prices import page

    text = (ROOT / "docs" / "prices.md").read_text()
    assert text == page(), "renew it: python -m docs.pages.prices > docs/prices.md"


def test_the_page_on_serving_is_fresh():
    from docs.pages.serving import page

    text = (ROOT / "docs" / "serving.md").read_text()
    assert text == page(), "renew it: python -m docs.pages.serving > docs/serving.md"


def test_every_biased_class_of_serving_is_named_with_its_reason():
    """Classes of ten measured rows and more, in any table of errors, whose median prediction is off by more than a quarter."""
    text = (ROOT / "docs" / "serving.md").read_text()
    reasons = text[text.index("Where it misses, and why:") : text.index("## Calibrate with one measurement")]
    classes = re.findall(r"^\| ([^|]+) \| (\d+) \| [^|]+ % \| [\d.]+ \| ([\d.]+) \|$", text, re.MULTILINE)
    assert len(classes) > 40
    biased = {name for name, rows, ratio in classes if int(rows) >= 10 and not 0.75 <= float(ratio) <= 1.25}
    assert "MiniMax-M2.5, community server" in biased
    for name in biased:
        model = re.sub(r"-A\d+B$", "", name.split(", ")[0]).replace("-", " ")
        assert model.lower() in reasons.replace("-", " ").lower(), name
