from __future__ import annotations

import base64
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from handloom import nn
from handloom.report.asked import asked_terms, network_table, phrase, recipe_code, words_of
from handloom.run.results import Run

from .conftest import read


def test_the_command_of_the_page_gives_the_same_bits(run: Run, page: Path, tmp_path: Path) -> None:
    parsed = read(page)
    (link,) = (link for link in parsed.of("a") if link.get("download"))
    encoded = (link["href"] or "").removeprefix("data:application/toml;base64,")
    (tmp_path / (link["download"] or "")).write_bytes(base64.b64decode(encoded))
    (command,) = (pre for pre in parsed.inside["pre"] if pre.startswith("handloom "))
    program = (
        "from handloom.run import session; session.draw = lambda run, parts: []\n"
        "from handloom.cli.main import main; main()"
    )
    words = [sys.executable, "-c", program, *shlex.split(command)[1:], "-q"]
    subprocess.run(words, cwd=tmp_path, check=True)
    (again,) = (tmp_path / "runs").iterdir()
    best = run.folder.checkpoint("best")
    assert (again / "checkpoints" / best.name).read_bytes() == best.read_bytes()


def test_the_recipe_stands_there_whole(run: Run) -> None:
    told = tomllib.loads(recipe_code(run).text)
    assert told == tomllib.loads(run.folder.recipe.read_text())


def test_what_was_asked_in_words(run: Run) -> None:
    terms = dict(asked_terms(run).pairs)
    assert "60 images for training, 20 for validation, 30 for testing" in terms["Data"]
    assert terms["Network"] == "mlp, hidden [8]"
    assert terms["Optimizer"] == "sgd, lr 0.2"
    assert (terms["Seed"], terms["Engine"]) == ("1", "numpy")


def test_what_differs_between_runs_is_left_out(run: Run) -> None:
    terms = dict(asked_terms(run, differing=("optimizer.lr", "model.hidden", "seed")).pairs)
    assert terms["Network"] == "mlp"
    assert terms["Optimizer"] == "sgd"
    assert "Seed" not in terms
    assert "Data" in terms
    assert "Data" not in dict(asked_terms(run, differing=("data.sample",)).pairs)


def test_nested_tables_and_lists_of_tables() -> None:
    table = {
        "name": "a",
        "plateau": {"factor": 0.5},
        "layers": [{"layer": "x", "units": 3}] * 2,
        "peak_lr": 1,
    }
    words = "a, plateau factor 0.5, layers (x, units 3; x, units 3), peak lr 1"
    assert phrase(table) == words
    assert words_of([{"layer": "x"}] * 20) == "; ".join(["x"] * 12) + "; and 8 more"


def test_the_network_adds_up(run: Run) -> None:
    *layers, total = network_table(run).rows
    linear = [layer for _, layer in run.model.named_layers() if isinstance(layer, nn.Linear)]
    number = [int(re.sub(",", "", row[3])) for row in layers if row[3] != "–"]
    assert number == [layer.weight.value.size + layer.weight.value.shape[0] for layer in linear]
    assert total[3] == f"{run.model.num_parameters():,}"
    assert total[4] == f"{36 * 8 + 8 * 3:,}"
