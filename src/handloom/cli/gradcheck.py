"""handloom gradcheck: the gradients of a recipe's network against central differences."""

from __future__ import annotations

from typing import Annotated

import typer

from handloom.cli.options import DataDir, JsonFlag, Overrides, QuietFlag, RecipeArgument
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom gradcheck digits-residual
  handloom gradcheck mine.toml -o model.activation=gelu --examples 8
"""
COLUMNS = ("layer", "kind", "output", "weights", "error dw", "error dx", "")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gradcheck", epilog=EXAMPLES)(gradcheck)


def gradcheck(
    recipe: RecipeArgument,
    override: Overrides = None,
    examples: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Images to check on.")
    ] = 4,
    tolerance: Annotated[
        float, typer.Option(metavar="X", min=0.0, help="Largest relative error allowed.")
    ] = 1e-6,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Check each layer's gradients against central differences.

    In float64, on training images, with the untrained network: one row per layer, then one for
    the whole network with the loss. Exit code 2 if a gradient is wrong.
    """
    from handloom.errors import StateError
    from handloom.recipes import load_recipe
    from handloom.run import assemble

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    checked = load_recipe(recipe, override or ())
    report = assemble.check_gradients(checked, data_dir, examples=examples, tolerance=tolerance)
    rows = [
        {
            "layer": row.path or "network + loss",
            "kind": row.kind,
            "output_shape": list(row.output_shape),
            "parameters": row.num_parameters,
            "parameter_error": row.parameter_error,
            "input_error": row.input_error,
            "passed": row.report.passed,
        }
        for row in report.rows
    ]
    voice.answer({"passed": report.passed, "max_rel_error": report.max_rel_error, "rows": rows})
    voice.table(
        COLUMNS,
        [
            (
                row["layer"],
                row["kind"],
                "×".join(map(str, row["output_shape"])),
                f"{row['parameters']:,}" if row["parameters"] else "",
                _error(row["parameter_error"]),
                _error(row["input_error"]),
                "ok" if row["passed"] else "WRONG",
            )
            for row in rows
        ],
    )
    if not report.passed:
        raise StateError(f"a gradient is wrong: {report.worst}")


def _error(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}"
