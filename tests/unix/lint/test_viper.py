"""Viper code keeps clear of what MicroPython 1.26 and 1.27 miscompile on Thumb and RV32: a local
that indexes a ptr16 or ptr32 loses its value (micropython issue 18800), so it must not be used
again."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = [f for d in ("lib", "ports", "boards") for f in sorted((ROOT / d).rglob("*.py"))]


def is_viper(node):
    return isinstance(node, ast.FunctionDef) and any(
        "viper" in ast.unparse(decorator) for decorator in node.decorator_list
    )


def wide_pointers(function):
    """Names in `function` that are a ptr16 or ptr32."""
    names = {
        arg.arg
        for arg in function.args.args
        if arg.annotation and ast.unparse(arg.annotation) in ("ptr16", "ptr32")
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith(
            ("ptr16(", "ptr32(")
        ):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def spoiled(function):
    """(line, name) of each local that indexes a wide pointer and is used elsewhere as well."""
    pointers = wide_pointers(function)
    uses = [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
    for node in ast.walk(function):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Name):
            continue
        base = ast.unparse(node.value)
        index = node.slice.id
        if base in pointers or base.startswith(("ptr16(", "ptr32(")):
            if not index.startswith("_") and uses.count(index) > 1:
                yield node.lineno, index


@pytest.mark.parametrize("path", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_index_is_used_again(path):
    found = [
        f"{path.name}:{line}: {name}"
        for function in ast.walk(ast.parse(path.read_text()))
        if is_viper(function)
        for line, name in spoiled(function)
    ]
    assert not found, found


@pytest.mark.parametrize("path", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_closure_assigns(path):
    """Closures of viper functions have values of their own on RP2 boards: ports/rp2/rom.c."""
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [
        f"{path.name}:{node.lineno}"
        for function in nodes
        if is_viper(function)
        for node in ast.walk(function)
        if isinstance(node, ast.Nonlocal)
    ]
    assert not found, found


def test_the_rule_finds_what_it_should():
    bad = "@micropython.viper\ndef f(p: ptr32, i: int):\n    p[i] = p[i] + 1\n"
    good = "@micropython.viper\ndef f(p: ptr32, i: int) -> int:\n    return p[i]\n"
    assert list(spoiled(ast.parse(bad).body[0]))
    assert not list(spoiled(ast.parse(good).body[0]))
