"""handloom export: a run's classifier in another tool's format."""

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
    """What an ONNX file takes images as."""

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
            help="onnx: the whole classifier; safetensors: its weights, the rest in the metadata; "
            "torch: a PyTorch module as Python code, and its weights."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file to write.  [default: named after the run, in the current folder]",
        ),
    ] = None,
    pixels: Annotated[
        Pixels, typer.Option(help="The input type of an ONNX file; pixels are 0 to 255 in either.")
    ] = Pixels.UINT8,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a run's best weights in another tool's format.

    An ONNX file takes images as they are stored and normalises them itself. Before it is put in
    place, onnxruntime runs it on some images and the results are compared.
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
            "of the run's images"
            if done.real
            else "images of noise, since the run's own are not available"
        )
        voice.say(
            f"onnxruntime agrees with the network on {done.pictures} {kind}: "
            f"largest difference {done.difference:.1g}"
        )
