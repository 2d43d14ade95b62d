from __future__ import annotations

import dataclasses
import io
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from handloom import nn
from handloom.errors import DataError, LabelError, ShapeError, StateError
from handloom.views import Subject, draw_all, figures, png, probabilities, words_in
from handloom.views.run import draw

ROWS = [
    {"epoch": e, "step": 10 * e, "train_loss": 1 / e, "val_loss": 1.1 / e, "lr": 0.1}
    for e in (1, 2, 3)
]
ALWAYS = ["curves"]
ANSWERS = ["predictions", "confusion", "confused-pairs", "worst-mistakes"]


def as_floats(images: np.ndarray) -> np.ndarray:
    images = images if images.ndim == 4 else images[:, None]
    return (images / 255).astype(np.float32)


def subject(model: nn.Layer, images: np.ndarray, names: tuple[str, ...]) -> Subject:
    labels = np.arange(len(images)) % len(names)
    return Subject(ROWS, "val_loss", model.eval(), images, labels, names, as_floats, seed=0)


def mlp(rng: np.random.Generator, num_pixels: int, num_classes: int) -> nn.Layer:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(num_pixels, 20, rng=rng),
        nn.ReLU(),
        nn.Linear(20, num_classes, rng=rng),
    )


def stems(files: list[Path]) -> list[str]:
    return [file.stem for file in files]


def test_an_mlp_gets_its_pictures_and_the_same_bytes_twice(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (40, 8, 8), np.uint8)
    drawn = subject(mlp(rng, 64, 3), images, ("T-shirt/top", "$x^2$ <html>", "é"))
    files = draw_all(drawn, tmp_path / "figures")
    weights = ["weights-filters", "weights-matrices"]
    assert stems(files) == [*ALWAYS, *weights, "activations", "activations-pair", *ANSWERS]
    for file in files:
        pixels = matplotlib.image.imread(io.BytesIO(file.read_bytes()))
        assert 100 < pixels.shape[0] < 3000
        assert 700 < pixels.shape[1] < 2600
        assert pixels.std() > 0.02  # not an empty page
    first = [file.read_bytes() for file in files]
    assert first == [file.read_bytes() for file in draw_all(drawn, tmp_path / "figures")]
    assert sorted(stems(list((tmp_path / "figures").iterdir()))) == sorted(stems(files))


def test_a_convolution_network_on_colour_pictures(tmp_path: Path, rng: np.random.Generator) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, rng=rng), nn.ReLU(), nn.Conv2d(4, 2, 1, rng=rng), nn.GlobalAvgPool2d()
    )
    images = rng.integers(0, 256, (9, 3, 12, 10), np.uint8)
    files = draw_all(subject(model, images, ("a", "b")), tmp_path)
    assert stems(files) == [*ALWAYS, "kernels", "activations", "activations-pair", *ANSWERS]


def test_one_class_has_no_pair_and_no_mistakes(tmp_path: Path, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 4, 4), np.uint8)
    files = draw_all(subject(mlp(rng, 16, 1), images, ("only",)), tmp_path)
    assert "activations-pair" not in stems(files)
    assert set(ANSWERS) < set(stems(files))


def test_many_classes_of_which_most_have_no_picture(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (5, 4, 4), np.uint8)
    names = tuple(f"class number {k}" for k in range(47))
    assert len(draw_all(subject(mlp(rng, 16, 47), images, names), tmp_path)) == 9


@pytest.mark.parametrize("part", ["validation", "test", ""])
def test_every_picture_names_the_part_that_it_shows(part: str, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (30, 4, 4), np.uint8)
    drawn = dataclasses.replace(subject(mlp(rng, 16, 3), images, ("a", "b", "c")), part=part)
    for name, figure in figures(drawn):
        if not name.startswith(("curves", "weights")):
            told = " ".join(text.get_text() for text in figure.texts)
            assert set(re.findall(r"\b(train|validation|test)\b", told)) == ({part} - {""})
            assert f"{part} image".strip() in told
            if part == "test":
                assert words_in(png(figure)).startswith(figure.texts[0].get_text())


def test_a_picture_that_fails_does_not_stop_the_others(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate 19.0 GiB")

    monkeypatch.setattr(draw, "draw_confusion", fail)
    drawn = subject(mlp(rng, 16, 3), rng.integers(0, 256, (6, 4, 4), np.uint8), ("a", "b", "c"))
    failed = []
    files = draw_all(drawn, tmp_path, lambda name, error: failed.append((name, str(error))))
    assert failed == [("confusion", "Unable to allocate 19.0 GiB")]
    assert len(files) == 8
    assert {file.stem for file in files} >= {"predictions", "confused-pairs", "worst-mistakes"}
    with pytest.raises(MemoryError):
        draw_all(drawn, tmp_path)


def test_a_diverged_network_can_be_drawn(tmp_path: Path, rng: np.random.Generator) -> None:
    model = mlp(rng, 16, 3)
    for parameter in model.named_parameters().values():
        parameter.value[:] = np.nan
    images = rng.integers(0, 256, (6, 4, 4), np.uint8)
    assert len(draw_all(subject(model, images, ("a", "b", "c")), tmp_path)) == 9


def test_probabilities_that_are_there_are_drawn_and_not_computed(rng: np.random.Generator) -> None:
    drawn = subject(mlp(rng, 16, 2), rng.integers(0, 256, (30, 4, 4), np.uint8), ("a", "b"))
    said = probabilities(drawn.model, drawn.images, drawn.normalise)
    turned, names = said[:, ::-1], ("predictions", "confusion")
    computed, given, other = (
        {name: png(figure) for name, figure in figures(each) if name in names}
        for each in (
            drawn, dataclasses.replace(drawn, said=said), dataclasses.replace(drawn, said=turned),
        )
    )  # fmt: skip
    assert computed.keys() == set(names)
    assert given == computed
    assert not {*other.values()} & {*computed.values()}


def test_what_cannot_be_drawn_is_refused(rng: np.random.Generator) -> None:
    good = subject(mlp(rng, 16, 2), np.zeros((4, 4, 4), np.uint8), ("a", "b"))
    with pytest.raises(ShapeError, match="4 images but 3 labels"):
        dataclasses.replace(good, labels=good.labels[:3])
    with pytest.raises(ShapeError, match=r"shape \(4, 3\) do not fit 4 images and 2 classes"):
        dataclasses.replace(good, said=np.ones((4, 3), np.float32))
    with pytest.raises(DataError, match="no images"):
        dataclasses.replace(good, images=good.images[:0], labels=good.labels[:0])
    with pytest.raises(LabelError, match="label 7 has no name"):
        dataclasses.replace(good, labels=np.array([0, 1, 7, 1]))
    with pytest.raises(StateError, match=r"call model\.eval\(\) first"):
        dataclasses.replace(good, model=mlp(rng, 16, 2))


def test_matplotlib_is_imported_when_drawing_and_pyplot_never(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from handloom import nn, views
assert "matplotlib" not in sys.modules
model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, rng=np.random.default_rng(0))).eval()
images, labels = np.zeros((2, 2, 2), np.uint8), np.array([0, 1])
views.draw_all(views.Subject([], "val_loss", model, images, labels, ("a", "b"),
               lambda images: images[:, None] / np.float32(255), 0), Path({str(tmp_path)!r}))
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
