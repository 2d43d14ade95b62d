"""handloom recipes: the recipes that are shipped."""

from __future__ import annotations

from typing import Annotated

import typer

from handloom.cli.options import JsonFlag, Overrides, RecipeArgument
from handloom.cli.output import Voice
from handloom.cli.plan import show_plan
from handloom.cli.summary import show_summary, summary_comment

LIST_EXAMPLES = """\b
Examples:
  handloom recipes list
  handloom recipes list --json
"""
SHOW_EXAMPLES = """\b
Examples:
  handloom recipes show mnist-lenet > mine.toml     a recipe to start from
  handloom recipes show mnist-lenet --resolved      with every default
  handloom recipes show digits -o model.hidden=[64] --resolved
  handloom recipes show mnist-lenet --summary       only its network
  handloom recipes show mnist-lenet --plan          its compiled training step
  handloom recipes show mnist-lenet --plan --threads 1
"""
app = typer.Typer(help="List the shipped recipes, or show one.", no_args_is_help=True)


@app.command("list", epilog=LIST_EXAMPLES)
def list_all(as_json: JsonFlag = False) -> None:
    """List the shipped recipes."""
    from handloom.recipes import list_recipes

    voice = Voice.choose(as_json=as_json)
    recipes = list_recipes()
    voice.answer(recipes)
    width = max(map(len, recipes))
    for name, description in recipes.items():
        voice.say(f"{name:<{width}}  {description}")


@app.command("show", epilog=SHOW_EXAMPLES)
def show(
    recipe: RecipeArgument,
    override: Overrides = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With every default, as a run would save it.")
    ] = False,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Only the network: output, parameters and multiply-adds of each layer, "
            "and the memory of a batch.",
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Only the compiled training step: which layers are fused into one piece, the "
            "memory it needs, and each stage's operations and measured time.",
        ),
    ] = False,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Threads for --plan.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a recipe and its network, or how its training step is compiled.

    The network follows as a comment, so that the output is still a recipe. With changes, or as
    JSON, the recipe is always resolved; the JSON of --summary lists every layer. A plan is measured
    on the recipe's images, or on generated ones if a known data set is not on this machine.
    """
    from handloom.recipes import load_recipe, recipe_text, to_toml

    voice = Voice.choose(as_json=as_json)
    overrides = list(override or [])
    if threads is not None:
        overrides.append(f"training.threads={threads}")
    checked = load_recipe(recipe, overrides)
    if plan:
        show_plan(checked, voice)
        return
    if summary:
        show_summary(checked, voice)
        return
    voice.answer(checked.model_dump(mode="json"))
    voice.say((to_toml(checked) if resolved or overrides else recipe_text(recipe)).rstrip())
    if voice is Voice.PERSON:
        voice.say(f"\n{summary_comment(checked)}")
