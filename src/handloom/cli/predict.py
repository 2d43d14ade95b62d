"""handloom predict: classes for images, as a table for a contest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.options import JsonFlag, QuietFlag, RunsArgument, Tta, listed
from handloom.cli.output import Voice

if TYPE_CHECKING:
    from handloom.data import Submission

EXAMPLES = """\b
Examples:
  handloom predict runs/a --input test.npy --output submit.csv
  handloom predict runs/a --input test.npy --sample sample_submission.csv \\
                          --output submit.csv
  handloom predict runs/a --input t10k-images-idx3-ubyte.gz --names
  handloom predict runs/a --input coat.png
  handloom predict runs/a --input test.npy --tta flip,shift
  handloom predict runs/fashion-mlp-256 runs/mine --input test.npy
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict", epilog=EXAMPLES)(predict)


def predict(
    runs: RunsArgument,
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            metavar="IMAGES",
            help="A .npy or IDX file, a PNG or JPEG, or a folder of these; images in files of "
            "their own are resized to the run's size.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The csv to write.  [default: print the rows]"),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The contest's sample submission; its header, ids and order are kept. An id is a "
            "file name or the number of an image; any other ids are assigned row by "
            "row.",
        ),
    ] = None,
    names: Annotated[
        bool | None,
        typer.Option(
            "--names/--ids",
            help="Class names as labels, or class ids from 0.  [default: as in the training "
            "labels; ids for the known sets]",
            show_default=False,
        ),
    ] = None,
    tta: Tta = "",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a label for each image, in the format of contests.

    The table is `image_id,label`, one row per image in the order of the input, ids from 0. The
    images of a folder are sorted by name. A sample submission whose ids, rows or kind of labels
    do not fit is rejected before anything is written.
    """
    from handloom import data
    from handloom._files import write_atomic
    from handloom.studies.ensemble import open_combined

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    _check_output(output)
    trained = open_combined(runs)
    channels, height, width = trained.image_shape
    images = data.read_images(source, size=(height, width), mode="RGB" if channels == 3 else "L")
    table = _table(source, len(images), sample)
    by_name = not trained.labels_are_ids if names is None else names
    classes = trained.class_names if by_name else range(len(trained.class_names))
    table.check_labels(classes)
    labels = [classes[i] for i in trained.predict(images, tta=listed(tta)).tolist()]
    text = table.fill(labels)
    if output is None:
        voice.say(text.rstrip())
        voice.answer({"ids": table.ids, "labels": [labels[i] for i in table.pictures]})
    else:
        write_atomic(output, text.encode())
        for run in getattr(trained, "runs", [trained]):
            if run.divergence:
                voice.say(run.divergence)
        voice.say(f"{len(labels):,} labels written to {output}")
        voice.answer({"output": str(output), "rows": len(labels)})


def _table(source: Path, num_pictures: int, sample: Path | None) -> Submission:
    """The table to fill."""
    from handloom import data

    if sample is None:
        return data.numbered(num_pictures)
    files = data.picture_files(source) if source.is_dir() else None
    return data.read_sample(sample, num_pictures, files=files)


def _check_output(path: Path | None) -> None:
    """Refuse to put a file in the place of a folder or a device."""
    from handloom._files import can_become_file
    from handloom.errors import RunError

    if path is not None and not can_become_file(path):
        raise RunError(f"--output {path} is not a file; omit --output to print the rows")
