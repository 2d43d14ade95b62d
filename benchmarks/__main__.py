"""python -m benchmarks: a step of ours beside the same step of others."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.tables import pace_of, roof_in_words, show_standing, show_summary
from handloom.cli import interrupts
from handloom.cli.main import run
from handloom.cli.options import DataDir, JsonFlag, QuietFlag
from handloom.cli.output import Voice, counted

if TYPE_CHECKING:
    from benchmarks.lineup import Lineup
    from benchmarks.roofline import Roof
    from benchmarks.standing import Standing

EXAMPLES = """\b
Examples:
  python -m benchmarks                          everything that is installed
  python -m benchmarks --workloads W1,W4
  python -m benchmarks --workloads W1 --peers torch --seconds 0.2 --rounds 3
  python -m benchmarks --isa avx2               everybody without AVX-512
  python -m benchmarks --python jax=~/jax/bin/python --python mlx=~/mlx/bin/python
"""


def bench(
    workloads: Annotated[
        str,
        typer.Option(metavar="W1,W4", help="Which workloads.  [default: all]", show_default=False),
    ] = "",
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.01, help="A contestant's turn.")
    ] = 0.4,
    rounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Turns for everybody; half of them where time runs out."
        ),
    ] = 9,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="[default: all cores that the process may use]"),
    ] = None,
    peers: Annotated[
        str,
        typer.Option(
            metavar="P,Q",
            help="Modules of benchmarks/peers, or none.  [default: all that are installed]",
            show_default=False,
        ),
    ] = "",
    isa: Annotated[
        str | None, typer.Option(metavar="avx2", help="Everybody does without AVX-512.")
    ] = None,
    pictures: Annotated[
        str,
        typer.Option(
            "--data", metavar="auto|random", help="Real pictures where they are, or random bytes."
        ),
    ] = "auto",
    pythons: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            metavar="PEER=PATH",
            help="A Python that has the peer's library and NumPy. Repeatable.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where bench.json and bench.png go.")
    ] = Path("bench"),
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Time one step of ours beside the same step of others.

    Each implementation is a process of its own; they take turns, so that a busy
    moment hits all alike; medians count. Whoever computes another step than
    PyTorch in float64 is not timed. A peer with several configurations takes
    part with the quickest of each kind, found by trying them. The machine's
    limits are measured in the same run. The expected duration is printed
    first; what was measured before an interruption is kept. Exit code 2 if a
    step of ours is wrong.
    """
    from benchmarks.contest import Rules, hold_contest
    from benchmarks.contestants import PEERS, Field
    from benchmarks.lineup import line_up
    from benchmarks.plan import expected_roof_seconds, expected_seconds
    from benchmarks.progress import Progress, clock
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
        peers=() if peers == "none" else _names(peers) or PEERS,
        isa=isa,
        pythons=_interpreters(pythons or []),
    )
    rules = Rules(seconds=seconds, rounds=rounds, pictures=pictures, data_dir=data_dir)
    wanted = chosen(_names(workloads))
    make_folder(out, within=None)  # rather than find out when all is measured
    standings: list[Standing] = []
    roofs: dict[int, Roof] = {}
    progress = Progress()
    with progress.shown(quiet=quiet):
        lineup = line_up(entrants, wanted, progress.tell)
        if peers and lineup.absent:
            raise ConfigError(
                f"--peers: {_absences(lineup)}; name a Python with --python PEER=PATH"
            )
        if lineup.absent:
            voice.say(f"not here: {_absences(lineup)}")
        expected = [expected_seconds(lineup, workload, rules) for workload in wanted]
        deadline = progress.passed + expected_roof_seconds(lineup)
        progress.expected = deadline + sum(expected)
        voice.say(f"{counted(len(wanted), 'workload')}: about {clock(progress.expected)} minutes")
        try:
            roofs |= measure_roofs(lineup.roofers, progress.tell)
            for roof in roofs.values():
                voice.say(roof_in_words(roof))
            for workload, takes in zip(wanted, expected, strict=True):
                deadline += takes
                until = time.monotonic() - progress.passed + deadline
                contest = hold_contest(workload, lineup, rules, progress.tell, until)
                standings.append(Standing(contest, roofs))
                show_standing(voice, standings[-1])
        except BaseException:
            missing = [workload.name for workload in wanted[len(standings) :]]
            with interrupts.resumable(lambda: f"not measured: {', '.join(missing)}"):
                _finish(voice, out, lineup, roofs, standings, missing)
                raise
    _finish(voice, out, lineup, roofs, standings, [])
    voice.say(f"it took {clock(progress.passed)} minutes, of {clock(progress.expected)} expected")
    if wrong := [f"{s.contest.workload.name}: {e.error}" for s in standings for e in s.wrong]:
        raise StateError(f"a step of ours is wrong: {'; '.join(wrong)}")


def _finish(
    voice: Voice,
    out: Path,
    lineup: Lineup,
    roofs: dict[int, Roof],
    standings: list[Standing],
    missing: Sequence[str],
) -> None:
    """Show and write what was measured, if anything was."""
    from benchmarks.report import describe

    if not standings:
        return
    show_summary(voice, standings)
    report = {**describe(lineup, roofs, standings), "missing": list(missing)}
    _write(out, report, standings)
    voice.say(f"\n{out / 'bench.json'}, {out / 'bench.png'}")
    voice.answer(report)


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _interpreters(pairs: Sequence[str]) -> dict[str, str]:
    """{"jax": "/…/python"} of "jax=~/…/python"; raises ConfigError where it is no program."""
    from handloom.errors import ConfigError

    found = {}
    for pair in pairs:
        peer, _, path = pair.partition("=")
        program = shutil.which(Path(path).expanduser()) if path else None
        if program is None:
            raise ConfigError(f"--python {pair}: give PEER=PATH, the path of a Python program")
        found[peer] = os.path.abspath(program)  # noqa: PTH100  a link of a venv stays one
    return found


def _absences(lineup: Lineup) -> str:
    return "; ".join(f"{peer} ({why})" for peer, why in lineup.absent.items())


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
