"""handloom recipes: what can be trained by name."""

from __future__ import annotations

from typing import Annotated

import typer

from handloom.cli.output import JsonFlag, Voice

app = typer.Typer(help="List the shipped recipes, or show one.", no_args_is_help=True)


def complete_recipe(incomplete: str) -> list[str]:
    """Names that the shell may offer."""
    from handloom.recipes import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


@app.command("list")
def list_all(as_json: JsonFlag = False) -> None:
    """The shipped recipes, a line each."""
    from handloom.recipes import list_recipes

    voice = Voice.choose(as_json=as_json)
    recipes = list_recipes()
    voice.answer(recipes)
    width = max(map(len, recipes))
    for name, description in recipes.items():
        voice.say(f"{name:<{width}}  {description}")


@app.command("show")
def show(
    recipe: Annotated[
        str, typer.Argument(help="A name or a TOML file.", autocompletion=complete_recipe)
    ],
    override: Annotated[
        list[str] | None,
        typer.Option("--override", "-o", metavar="KEY=VALUE", help="Change one key."),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With every default, as a run would keep it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """A recipe as its file stands, or resolved; with --json, always resolved."""
    from handloom.recipes import load_recipe, recipe_text, to_toml

    voice = Voice.choose(as_json=as_json)
    checked = load_recipe(recipe, override or ())
    voice.answer(checked.model_dump(mode="json"))
    voice.say((to_toml(checked) if resolved or override else recipe_text(recipe)).rstrip())
