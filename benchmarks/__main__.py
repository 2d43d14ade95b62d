"""python -m benchmarks: a step of ours beside the same step of others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.tables import pace_of, roof_in_words, show_standing, show_summary
from handloom.cli.main import run
from handloom.cli.options import DataDir, JsonFlag, QuietFlag
from handloom.cli.output import Voice, counted, telling

if TYPE_CHECKING:
    from benchmarks.standing import Standing

EXAMPLES = """\b
Examples:
  python -m benchmarks                            everything, half an hour
  python -m benchmarks --workloads W1,W4          a few minutes
  python -m benchmarks --workloads W1 --peers torch --seconds 0.2 --rounds 3
  python -m benchmarks --isa avx2                 everybody without AVX-512
  python -m benchmarks --jax-python ~/jax/bin/python
"""


def bench(
    workloads: Annotated[
        str, typer.Option(metavar="W1,W4", help="Which ones.  [default: all]", show_default=False)
    ] = "",
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.01, help="A contestant's turn.")
    ] = 0.4,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Turns for everybody.")] = 9,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="[default: all cores that the process may use]"),
    ] = None,
    peers: Annotated[
        str,
        typer.Option(
            metavar="P,Q",
            help="Of torch, jax, sklearn and numpy; or none.  [default: all that are installed]",
            show_default=False,
        ),
    ] = "torch,jax,sklearn,numpy",
    isa: Annotated[
        str | None, typer.Option(metavar="avx2", help="Everybody does without AVX-512.")
    ] = None,
    pictures: Annotated[
        str,
        typer.Option(
            "--data", metavar="auto|random", help="Real pictures where they are, or random bytes."
        ),
    ] = "auto",
    jax_python: Annotated[
        str,
        typer.Option(metavar="PATH", help="A Python that has JAX.", show_default=False),
    ] = sys.executable,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where bench.json and bench.png go.")
    ] = Path("bench"),
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Time one step of ours beside the same step of others.

    Each implementation is a process of its own; they take turns, so that a busy moment hits all
    alike; medians count. Whoever computes another step than PyTorch in float64 is not timed.
    PyTorch takes part in the quickest of its configurations, found by trying them. The roof is
    measured in the same run. Exit code 2 if a step of ours is wrong.
    """
    from benchmarks.contest import Rules, hold_contest
    from benchmarks.contestants import Field
    from benchmarks.report import describe
    from benchmarks.roofline import measure_roofs
    from benchmarks.standing import Standing
    from benchmarks.workloads import chosen
    from handloom._files import make_folder
    from handloom.engines import available_cores
    from handloom.errors import ConfigError, StateError

    if pictures not in ("auto", "random"):
        raise ConfigError(f"--data is auto or random, got {pictures!r}")
    voice = Voice.choose(as_json=as_json, quiet=quiet)
    entrants = Field(
        threads=available_cores() if threads is None else threads,
        peers=() if peers == "none" else _names(peers),
        isa=isa,
        jax_python=jax_python,
    )
    rules = Rules(seconds=seconds, rounds=rounds, pictures=pictures, data_dir=data_dir)
    wanted = chosen(_names(workloads))
    make_folder(out, within=None)  # rather than find out when all is measured
    standings = []
    with telling(quiet=quiet) as tell:
        roofs = measure_roofs(entrants.roofers(), tell)
        for roof in roofs.values():
            voice.say(roof_in_words(roof))
        for workload in wanted:
            standings.append(Standing(hold_contest(workload, entrants, rules, tell), roofs))
            show_standing(voice, standings[-1])
    show_summary(voice, standings)
    report = describe(entrants, roofs, standings)
    _write(out, report, standings)
    voice.say(f"\n{out / 'bench.json'}, {out / 'bench.png'}")
    voice.answer(report)
    if wrong := [f"{s.contest.workload.name}: {e.error}" for s in standings for e in s.wrong]:
        raise StateError(f"a step of ours is wrong: {'; '.join(wrong)}")


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _write(folder: Path, report: dict[str, Any], standings: list[Standing]) -> None:
    from benchmarks.figure import draw_paces
    from handloom._files import write_json
    from handloom.run.pictures import sparing
    from handloom.views import save_pictures

    write_json(folder / "bench.json", report)
    processor = report["environment"]["processor"]
    threads = counted(report["environment"]["threads"], "thread")
    heading = f"A step of ours and of others: {processor}, {threads}"
    with sparing(folder) as on_failure:
        drawing = ("bench", lambda: draw_paces(map(pace_of, standings), heading))
        save_pictures(folder, [drawing], on_failure)


def main() -> None:
    """Run the command line."""
    run(_command)


def _command() -> None:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command(epilog=EXAMPLES)(bench)
    app(prog_name="python -m benchmarks")


if __name__ == "__main__":
    main()
