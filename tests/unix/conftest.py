"""Gives pytest the test files that run inside MicroPython: see tests/inside.py."""

import inside


def pytest_pycollect_makemodule(module_path, parent):
    """Called by pytest for every test_*.py: those in directories of inside.INSIDE are ours."""
    if (
        module_path.is_relative_to(inside.HERE)
        and module_path.relative_to(inside.HERE).parts[0] in inside.INSIDE
    ):
        return inside.InsideFile.from_parent(parent, path=module_path)
