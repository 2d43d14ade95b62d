"""handloom predict: classes for pictures, as a table that a contest accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.output import JsonFlag, QuietFlag, Voice, complete_run

EXAMPLES = """
[bold]Examples[/bold]

  handloom predict runs/a --input test.npy --output submit.csv

  handloom predict runs/a --input t10k-images-idx3-ubyte.gz --output labels.csv --names

  handloom predict runs/a --input coat.png
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict", epilog=EXAMPLES)(predict)


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.", autocompletion=complete_run)],
    source: Annotated[
        Path, typer.Option("--input", "-i", help="Pictures: .npy, IDX, PNG or JPEG, or a folder.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The csv to write; without it, rows are printed."),
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Class names as labels instead of class ids.")
    ] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write `image_id,label`, a row a picture in the input's order, ids from 0."""
    from handloom import data, open_run
    from handloom._files import write_atomic

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_run(run)
    channels, *size = trained.image_shape
    images = data.read_images(source, size=(size[0], size[1]), mode="RGB" if channels == 3 else "L")
    predicted = trained.predict(images)
    labels = [trained.class_names[i] if names else int(i) for i in predicted]
    text = csv_text(labels)
    if output is not None:
        write_atomic(output, text.encode())
        voice.say(f"{len(labels):,} labels written to {output}")
    else:
        voice.say(text.rstrip())
    voice.answer(
        {"labels": labels} if output is None else {"output": str(output), "rows": len(labels)}
    )


def csv_text(labels: list[int] | list[str] | list[int | str]) -> str:
    """The table, header first; an empty input gives the header alone."""
    import csv
    import io

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image_id", "label"))
    writer.writerows(enumerate(labels))
    return table.getvalue()
