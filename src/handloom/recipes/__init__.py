"""Recipes: TOML files that fully determine a training."""

from handloom.recipes.load import list_recipes as list_recipes
from handloom.recipes.load import load_recipe as load_recipe
from handloom.recipes.load import make_recipe as make_recipe
from handloom.recipes.load import recipe_text as recipe_text
from handloom.recipes.load import to_toml as to_toml
from handloom.recipes.schema import Recipe as Recipe
