import pytest

pytest.register_assert_rewrite("tests.inference.oracle")  # its assertions are the tests' own: they explain themselves
