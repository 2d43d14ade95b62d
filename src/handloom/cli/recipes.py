"""handloom recipes: what can be trained by name."""

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
  handloom recipes show mnist-lenet --summary       its network alone
  handloom recipes show mnist-lenet --plan    what is compiled of it
  handloom recipes show mnist-lenet --plan --threads 1
"""
app = typer.Typer(help="List the shipped recipes, or show one.", no_args_is_help=True)


@app.command("list", epilog=LIST_EXAMPLES)
def list_all(as_json: JsonFlag = False) -> None:
    """The shipped recipes, a line each."""
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
        bool, typer.Option("--resolved", help="With every default, as a run would keep it.")
    ] = False,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Instead, the network alone: output, parameters and multiply-adds of each layer, "
            "and the memory of a batch.",
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Instead, how a training step is compiled: what is fused into one piece, the "
            "memory it takes, and each stage's operations and measured time.",
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of the step in --plan.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """A recipe as its file stands, or resolved, and its network; or how its step is compiled.

    The network follows as a comment, so that all of it is a recipe still. With changes, or as JSON,
    the recipe is always resolved; the JSON of --summary tells every layer. A plan is measured on
    the recipe's pictures; drawn ones stand for those of a known set that is not on this machine.
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
