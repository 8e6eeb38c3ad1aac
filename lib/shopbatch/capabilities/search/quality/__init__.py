"""How good the search is: evaluate_search."""
