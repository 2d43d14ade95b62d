"""What a search is asked: the recipe, the space, the budget."""
