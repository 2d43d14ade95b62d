"""handloom export: a run's classifier for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, RunArgument
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom export runs/digits --to onnx             writes digits.onnx
  handloom export runs/digits --to torch --out digits.py
  handloom export runs/digits --to safetensors --out weights.safetensors
"""


class To(StrEnum):
    """Forms that a classifier can be written in."""

    ONNX = "onnx"
    SAFETENSORS = "safetensors"
    TORCH = "torch"


class Pixels(StrEnum):
    """What an ONNX file takes pictures as."""

    UINT8 = "uint8"
    FLOAT32 = "float32"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", epilog=EXAMPLES)(export)


def export(
    run: RunArgument,
    to: Annotated[
        To,
        typer.Option(
            help="onnx: the whole classifier; safetensors: its weights, all else in the metadata; "
            "torch: a Python module for PyTorch, and its weights."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write.  [default: the run's name, here]"),
    ] = None,
    pixels: Annotated[
        Pixels, typer.Option(help="What an ONNX file takes pictures as, 0 to 255 in either.")
    ] = Pixels.UINT8,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a run's best weights in the form of another tool.

    An ONNX file takes the pictures as they are stored, normalises them itself, and has been run
    by onnxruntime on some of them before it is in its place.
    """
    from handloom.exchange import export as write

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    done = write(run, to.value, out, data_dir=data_dir, pixels=pixels.value)
    voice.answer(
        {
            "files": [str(path) for path in done.files],
            "difference": done.difference,
            "pictures": done.pictures,
            "real": done.real,
        }
    )
    for path in done.files:
        voice.say(f"{path}, {path.stat().st_size:,} bytes")
    if done.difference is not None:
        kind = (
            "of the run's pictures"
            if done.real
            else "pictures of noise, for the run's own are not here"
        )
        voice.say(
            f"onnxruntime agrees with the network on {done.pictures} {kind}: "
            f"largest difference {done.difference:.1g}"
        )
