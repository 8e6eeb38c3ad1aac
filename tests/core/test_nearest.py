"""The hint about an unknown name."""

from shopbatch.core.nearest import hint, nearest


def test_the_nearest_name_or_all_of_them() -> None:
    assert nearest("prd", ["local", "prod"]) == "prod"
    assert nearest("prd", ["local", "prod"], 0.95) is None
    assert hint("revews", ["reviews", "users"]) == "did you mean 'reviews'?"
    assert hint("zzz", iter(["reviews", "users"]), "known") == "known: reviews, users"
    assert hint("zzz", []) == "there are: none"
