"""handloom data: the known data sets, where they are, whether they are complete."""

from __future__ import annotations

from pathlib import Path

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, SetArgument
from handloom.cli.output import Voice, console

LIST_EXAMPLES = """\b
Examples:
  handloom data list
  handloom data list --json | jq -r '.[].name'
"""
FETCH_EXAMPLES = """\b
Examples:
  handloom data fetch fashion-mnist                     into your cache
  handloom data fetch mnist --data-dir ~/images       into ~/images/mnist
"""
CHECK_EXAMPLES = """\b
Examples:
  handloom data check mnist
  HANDLOOM_DATA=~/images handloom data check mnist
"""
app = typer.Typer(help="List, download and check the known data sets.", no_args_is_help=True)


@app.command("list", epilog=LIST_EXAMPLES)
def list_all(as_json: JsonFlag = False) -> None:
    """List the data sets that a recipe may name."""
    from handloom.data import describe_sets

    voice = Voice.choose(as_json=as_json)
    known = describe_sets()
    voice.answer([entry._asdict() for entry in known])
    voice.table(
        ("name", "training", "test", "classes", "MB", "licence"),
        [
            (
                entry.name,
                f"{entry.num_train:,}",
                f"{entry.num_test:,}",
                str(entry.num_classes),
                f"{entry.num_bytes / 1e6:.1f}",
                entry.licence,
            )
            for entry in known
        ],
    )


@app.command("fetch", epilog=FETCH_EXAMPLES)
def fetch(
    name: SetArgument,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Download the missing files of a data set.

    Every file is verified against its publisher's sha256 before it is put in place; mirrors are
    tried in turn.
    """
    voice = Voice.choose(as_json=as_json, quiet=quiet)
    paths = fetch_files(name, data_dir, voice)
    voice.answer({"files": [str(path) for path in paths]})
    for path in paths:
        voice.say(str(path))


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    name: SetArgument, data_dir: DataDir = None, as_json: JsonFlag = False, quiet: QuietFlag = False
) -> None:
    """Check whether each file of a data set is present and complete.

    Exit code 2 if a file is not.
    """
    from handloom import data
    from handloom.errors import DataError

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    rows = data.check(name, data_dir)
    voice.answer([{**row._asdict(), "path": row.path and str(row.path)} for row in rows])
    voice.table(
        ("file", "status", "detail", "where"),
        [
            (row.file, row.status, row.detail, str(row.path.parent if row.path else ""))
            for row in rows
        ],
    )
    bad = [row.file for row in rows if row.status != "ok"]
    if bad:
        raise DataError(
            f"{name}: {', '.join(bad)} {'is' if len(bad) == 1 else 'are'} missing or damaged"
        )


def fetch_files(name: str, data_dir: Path | None, voice: Voice) -> list[Path]:
    """Make a data set available; on a terminal with one progress bar per file."""
    from handloom import data

    if voice is Voice.PERSON and console().is_terminal:
        return _fetch_with_bar(name, data_dir)
    return list(data.fetch(name, data_dir))


def _fetch_with_bar(name: str, data_dir: Path | None) -> list[Path]:
    """The bar of a file starts anew with each mirror."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from handloom import data

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console()) as bar:
        tasks = {}

        def show(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=total)
            bar.update(tasks[file], completed=done, total=total)

        return list(data.fetch(name, data_dir, progress=show))
