"""What reads files of strangers, each with whole files to spoil: by name, a function of a chance.

Every target writes one spoilt file, or several, and reads it as a command would. It may raise
HandloomError, and nothing else.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from spoil import VALUES, as_json, safetensors, spoil_bytes, spoil_value

import handloom as hl
from handloom import data
from handloom._kept import check_kept
from handloom.data.readers.table import read_labels
from handloom.data.submission import read_sample
from handloom.exchange.imported import _normalisation
from handloom.exchange.load import copy_weights
from handloom.exchange.weights_file import read_weights
from handloom.recipes import load_recipe, to_toml
from handloom.recipes.load import make_recipe
from handloom.run import RunFolder
from handloom.run.results import Run
from handloom.studies.ensemble.ensemble import TOGETHER, read_plan
from handloom.studies.search import load_study, open_study
from handloom.studies.search.folder import TrialFolder
from handloom.training import load_checkpoint, save_checkpoint
from handloom.training.checkpoint import _digest

Target = Callable[[random.Random], object]
STUDY = """
recipe = "base.toml"
description = "how wide, how fast"
[space]
optimizer.lr = { choice = [0.1, 0.2] }
optimizer.momentum = { range = [0.1, 0.9] }
model.hidden = { choice = [[4], [8]] }
training.batch_size = { int = [4, 8] }
[search]
sampler = "random"
seeds = [0]
[budget]
trials = 3
"""


class Spoilt:
    """Whole files in a folder, made once, and the targets that spoil copies of them."""

    def __init__(self, folder: Path, recipe: Path) -> None:
        self.folder = folder
        self.run = hl.train(
            recipe, run_dir=folder / "run", overrides={"training.epochs": 1}, pictures=False
        )
        self.kept = {
            path.relative_to(self.run.path): path.read_bytes()
            for path in self.run.path.rglob("*")
            if path.is_file()
        }
        self.model = self.run.model
        self.about = self.run.data
        self.result: dict[str, Any] = self.run.result
        self.recipe_values = tomllib.loads(to_toml(self.run.recipe))
        self.checkpoint = load_checkpoint(self.run.folder.checkpoint("last"))
        (folder / "base.toml").write_text(to_toml(self.run.recipe))
        self._make_study()
        self.targets: dict[str, tuple[int, Target]] = {
            name.removeprefix("spoil_"): (getattr(self, name).weight, getattr(self, name))
            for name in dir(self)
            if name.startswith("spoil_")
        }

    def once(self, rng: random.Random, only: str | None = None) -> str:
        """Try one input; returns whose it was."""
        names = [only] if only else list(self.targets)
        (name,) = rng.choices(names, [self.targets[each][0] for each in names])
        self.targets[name][1](rng)
        return name

    # -- readers of data --------------------------------------------------------------------------

    def spoil_idx(self, rng: random.Random) -> object:
        shape = rng.choice(((3, 4, 5), (7,), (0, 28, 28), (2, 1, 1)))
        header = bytes((0, 0, 8, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape)
        whole = header + bytes(rng.randrange(10) for _ in range(int(np.prod(shape))))
        if rng.random() < 0.4:
            whole = gzip.compress(spoil_bytes(whole, rng) if rng.random() < 0.5 else whole, 1)
        path = self._write("file.idx", spoil_bytes(whole, rng))
        return data.read_images(path) if rng.random() < 0.5 else data.read_idx(path)

    def spoil_npy(self, rng: random.Random) -> object:
        kind = rng.choice(("u1", "f4", ">f8", "i8", "?"))
        shape = rng.choice(((3, 4, 4), (4, 9), (0, 3, 3), (2, 2, 2, 3)))
        file = io.BytesIO()
        np.save(file, np.ones(shape, kind, order=rng.choice("CF")), allow_pickle=False)
        whole = file.getvalue()
        if rng.random() < 0.4:  # a shape that lies, in a header that is one
            lie = rng.choice((b"(0, 4611686018427387904, 4)", b"(1,)" * 9, b"(0,3,3)", b"()"))
            start, end = whole.index(b"("), whole.index(b")") + 1
            whole = whole[:start] + lie + whole[end:]
        else:
            whole = spoil_bytes(whole, rng)
        return data.read_images(self._write("file.npy", whole))

    def spoil_labels(self, rng: random.Random) -> object:
        label = rng.choice(("3", "cat", "1.0", "9999"))
        rows = "".join(f"{i},{label if i == 3 else i % 2}\n" for i in range(8))
        whole = spoil_bytes(f"image_id,label\n{rows}".encode(), rng)
        names = rng.choice((None, ("a", "b"), ("0", "1")))
        return read_labels(self._write("spoilt-labels.csv", whole), 8, class_names=names)

    def spoil_submission(self, rng: random.Random) -> object:
        separator, first = rng.choice(",;"), rng.choice(("7", "a.png", ""))
        rows = "".join(f"{i if i else first}{separator}{i % 3}\n" for i in range(6))
        whole = spoil_bytes(f"id{separator}label\n{rows}".encode(), rng)
        sample = read_sample(self._write("sample.csv", whole), 6)
        sample.check_labels(("0", "1", "2"))
        return sample.fill(["0"] * 6)

    def spoil_picture(self, rng: random.Random) -> object:
        png = data_png(rng)
        path = self._write("picture.png", spoil_bytes(png, rng))
        return data.read_picture(
            path, size=rng.choice((None, (4, 4))), mode=rng.choice(("L", "RGB"))
        )

    def spoil_folder(self, rng: random.Random) -> object:
        root = self.folder / "classes"
        shutil.rmtree(root, ignore_errors=True)
        for name in ("a", rng.choice(("b", "\udcff", "é" * 100, "10", "a\nb", "train"))):
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in range(2):
                whole = data_png(rng)
                spoilt = spoil_bytes(whole, rng) if rng.random() < 0.3 else whole
                (root / name / f"{number}.png").write_bytes(spoilt)
        return data.read_folder(root, skip_broken=rng.random() < 0.5)

    # -- recipes and studies ----------------------------------------------------------------------

    def spoil_recipe_text(self, rng: random.Random) -> object:
        whole = to_toml(self.run.recipe).encode()
        return load_recipe(self._write("recipe.toml", spoil_bytes(whole, rng)))

    def spoil_recipe_values(self, rng: random.Random) -> object:
        return make_recipe(_mapping(spoil_value(self.recipe_values, rng)), "a recipe")

    def spoil_study_text(self, rng: random.Random) -> object:
        return load_study(self._write("study.toml", spoil_bytes(STUDY.encode(), rng)))

    # -- runs, ensembles, studies -----------------------------------------------------------------

    def spoil_result(self, rng: random.Random) -> object:
        run = self._run_with("result.json", self._spoilt_json(self.result, rng))
        return run.is_finished, run.looks, run.result

    def spoil_data(self, rng: random.Random) -> object:
        run = self._run_with("data.json", self._spoilt_json(self.about, rng))
        read = run.data, run.class_names, run.image_shape, run.normalisation
        return read, run.model if rng.random() < 0.1 else None

    def spoil_metrics(self, rng: random.Random) -> object:
        row = self.run.history.rows[0]
        line = self._spoilt_json(row, rng)
        whole = rng.choice((b"", as_json(row) + b"\n")) + line + b"\n" + as_json(row) + b"\n"
        return self._run_with("metrics.jsonl", whole).history.epochs

    def spoil_run_recipe(self, rng: random.Random) -> object:
        whole = self.kept[Path("recipe.toml")]
        return self._run_with("recipe.toml", spoil_bytes(whole, rng)).recipe

    def spoil_checkpoint(self, rng: random.Random) -> object:
        whole = self.kept[Path("checkpoints/best.safetensors")]
        return load_checkpoint(self._write("a.safetensors", spoil_bytes(whole, rng)))

    def spoil_checkpoint_state(self, rng: random.Random) -> object:
        """States and shapes that lie, proved by a digest all the same."""
        state = spoil_value(self.checkpoint.state, rng)
        account: Any = {"format": 1, "state": state}
        tensors = {"a": np.ones(3, np.float32)}
        account["sha256"] = _digest(account, tensors)
        if rng.random() < 0.3:
            account = spoil_value(account, rng)
        shape, kind, end = [3], "F32", 12
        if rng.random() < 0.5:
            shape = rng.choice(([1] * 70, [0, 2**62, 4], [3, 1], -1, None, [2**63], [6], [12]))
            kind = rng.choice(("F32", "I32", "BF16", "BOOL", "F8_E4M3", "U64", "C64", "F16", "x"))
            end = rng.choice((12, 12, 0, 2**63))
        header = {
            "__metadata__": {"handloom": as_json(account).decode()},
            "a": {"dtype": kind, "shape": shape, "data_offsets": [0, end]},
        }
        whole = safetensors(header, tensors["a"].tobytes())
        return load_checkpoint(self._write("a.safetensors", whole))

    def spoil_weights(self, rng: random.Random) -> object:
        arrays = self.model.state_dict()
        offsets, header = 0, {}
        for name, array in arrays.items():
            header[name] = {
                "dtype": "F32",
                "shape": list(array.shape),
                "data_offsets": [offsets, offsets + array.nbytes],
            }
            offsets += array.nbytes
        about = {key: as_json(self.about[key]).decode() for key in ("class_names", "image_shape")}
        about |= {"normalisation": as_json(self.about["normalisation"]).decode()}
        key = rng.choice(list(about))
        about[key] = self._spoilt_json(self.about[key], rng).decode("latin-1")
        header["__metadata__"] = {"format": "pt", "handloom_format": "1", **about}
        body = b"".join(array.tobytes() for array in arrays.values())
        whole = safetensors(spoil_value(header, rng) if rng.random() < 0.5 else header, body)
        path = self._write(
            "w.safetensors", spoil_bytes(whole, rng) if rng.random() < 0.4 else whole
        )
        file = read_weights(path)
        _normalisation(path, file.metadata, self.about)
        return copy_weights(self.model, file, path)

    def spoil_ensemble(self, rng: random.Random) -> object:
        plan = {"format": 1, "folds": 2, "seeds": [0, 1], "recipe": self.recipe_values}
        folder = self.folder / "together"
        folder.mkdir(exist_ok=True)
        (folder / "ensemble.json").write_bytes(self._spoilt_json(plan, rng))
        return read_plan(folder)

    def spoil_ensemble_result(self, rng: random.Random) -> object:
        whole = {
            "members": 2, "folds": None, "seeds": [0, 1], "seconds": 1.0, "parameters": 10,
            "validation": {"accuracy": 0.5, "spread": 0.1},
            "test": {"accuracy": 0.5, "loss": None, "evaluations": 1},
        }  # fmt: skip
        spoilt = spoil_value(whole, rng)
        return check_kept("result.json", spoilt, TOGETHER)

    def spoil_trial(self, rng: random.Random) -> object:
        record = {rng.choice(("trial", "number")): 1, "parameters": {"optimizer.lr": 0.1}}
        record |= {"ended": "failed", "why": "it was"}
        folder = self.folder / "trial"
        folder.mkdir(exist_ok=True)
        (folder / "trial.json").write_bytes(self._spoilt_json(record, rng))
        return TrialFolder(folder).read()

    def spoil_study(self, rng: random.Random) -> object:
        """A study's folder: one of its files is spoilt, and all of it is read."""
        copy = self.folder / "study-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / "study", copy)
        path = rng.choice([path for path in copy.rglob("*.[tj]*") if path.is_file()])
        whole = path.read_bytes()
        is_json = path.suffix == ".json"
        path.write_bytes(
            self._spoilt_json(json.loads(whole), rng) if is_json else spoil_bytes(whole, rng)
        )
        study = open_study(copy)
        trials = study.trials
        return study.ranking, [
            (trial.value, trial.seconds, trial.num_parameters) for trial in trials
        ]

    def spoil_resume(self, rng: random.Random) -> object:
        """A training that is resumed from a state that lies; all digests are right."""
        copy = self.folder / "resumed"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.run.path, copy)
        (copy / "result.json").unlink(missing_ok=True)
        state = spoil_value(self.checkpoint.state, rng)
        tensors = dict(self.checkpoint.tensors)
        if rng.random() < 0.3:
            name = rng.choice(list(tensors))
            if rng.random() < 0.5:
                del tensors[name]
            else:
                odd = (np.array(5, "i8"), np.zeros((0, 3), "f4"), np.array(True), np.ones(2, "u8"))
                tensors[name] = rng.choice(odd)
        path = copy / "checkpoints" / "last.safetensors"
        save_checkpoint(path, tensors, state if isinstance(state, dict) else {"state": state})
        return hl.resume(copy, pictures=False)

    spoil_idx.weight = spoil_npy.weight = spoil_labels.weight = 12  # type: ignore[attr-defined]
    spoil_submission.weight = spoil_picture.weight = 10  # type: ignore[attr-defined]
    spoil_folder.weight = 2  # type: ignore[attr-defined]
    spoil_recipe_text.weight = spoil_recipe_values.weight = 10  # type: ignore[attr-defined]
    spoil_study_text.weight = 2  # type: ignore[attr-defined]
    spoil_result.weight = spoil_data.weight = spoil_metrics.weight = 12  # type: ignore[attr-defined]
    spoil_run_recipe.weight = 6  # type: ignore[attr-defined]
    spoil_checkpoint.weight = spoil_checkpoint_state.weight = 12  # type: ignore[attr-defined]
    spoil_weights.weight = 12  # type: ignore[attr-defined]
    spoil_ensemble.weight = 4  # type: ignore[attr-defined]
    spoil_ensemble_result.weight = spoil_trial.weight = 6  # type: ignore[attr-defined]
    spoil_study.weight = 0.5  # type: ignore[attr-defined]
    spoil_resume.weight = 0.1  # type: ignore[attr-defined]

    # -- help -------------------------------------------------------------------------------------

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def _run_with(self, name: str, content: bytes) -> Run:
        """The run, one of its files spoilt; the others are whole again."""
        folder = self.folder / "spoilt-run"
        if not folder.exists():
            shutil.copytree(self.run.path, folder)
        for other in ("result.json", "data.json", "metrics.jsonl", "recipe.toml"):
            if (folder / other).read_bytes() != self.kept[Path(other)]:
                (folder / other).write_bytes(self.kept[Path(other)])
        (folder / name).write_bytes(content)
        return Run(RunFolder(folder))

    def _spoilt_json(self, value: Any, rng: random.Random) -> bytes:
        """Mostly JSON that lies; now and then a file that is none."""
        kind = rng.random()
        if kind < 0.2:
            return spoil_bytes(as_json(value), rng)
        if kind < 0.22:
            return as_json(rng.choice(VALUES))
        spoilt = spoil_value(value, rng)
        return as_json(spoil_value(spoilt, rng) if rng.random() < 0.3 else spoilt)

    def _make_study(self) -> None:
        """A study of one trial, whose run is the trained one."""
        study = self.folder / "study"
        trial = study / "trials" / "lr-0.1"
        trial.mkdir(parents=True)
        (study / "study.toml").write_text(STUDY)
        (study / "base.toml").write_text(to_toml(self.run.recipe))
        point = {
            "optimizer.lr": 0.1,
            "optimizer.momentum": 0.5,
            "model.hidden": [4],
            "training.batch_size": 8,
        }
        (trial / "trial.json").write_bytes(as_json({"trial": 1, "parameters": point}))
        shutil.copytree(self.run.path, trial / "seed-0")


def data_png(rng: random.Random) -> bytes:
    """A small PNG of some kind."""
    import cv2

    channels = rng.choice((1, 3, 4))
    pixels = np.full((4, 5, channels), rng.randrange(256), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"a": value}
