"""What DESIGN section 3 and STYLE section 6 ask of the sources in lib/netstack, read by ast."""

import ast
import collections
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIB = ROOT / "lib"
STACK = LIB / "netstack"

# core <- link <- inet <- transport <- services <- apps; api sits on transport and services.
# What each may import besides itself; `nic` knows the NIC contract and the kernels of core.
BELOW = {
    "core": (),
    "link": ("core",),
    "inet": ("core", "link"),
    "transport": ("core", "link", "inet"),
    "services": ("core", "link", "inet", "transport"),
    "apps": ("core", "link", "inet", "transport", "services", "api"),
    "api": ("core", "link", "inet", "transport", "services"),
    "nic": ("core",),
}

# MicroPython's own modules: all that the stack may lean on.
BUILTINS = {
    "array", "asyncio", "binascii", "collections", "errno", "gc", "hashlib", "io", "machine",
    "micropython", "network", "os", "random", "re", "select", "ssl", "socket", "struct", "sys",
    "time", "uctypes", "vfs",
}  # fmt: skip
# Modules of ports and boards that a face may look for at run time.
PORTS = {"api": {"board", "tap", "_netstack", "_thread"}, "nic": {"_rp2"}}

# Constants that mean the same thing wherever they stand, so that they have one value across the
# package: errno numbers, and what these prefixes name. (`_HDR`, `_IN`, `_ETHERTYPE` and their like
# belong to their file: every protocol has a header length of its own.) Inside one package of
# several files, as transport/tcp is, every name has one value.
SHARED = re.compile(r"^_(AF|SOCK|SOL|SO|IPPROTO|TCP|LINK|POLL|ST|T|F)_")
LINUX_ERRNO = {
    "_EPERM": 1, "_ENOENT": 2, "_EIO": 5, "_EBADF": 9, "_EAGAIN": 11, "_ENOMEM": 12,
    "_EACCES": 13, "_EBUSY": 16, "_EEXIST": 17, "_ENODEV": 19, "_EINVAL": 22, "_ENOSPC": 28,
    "_EPIPE": 32, "_ENOTSOCK": 88, "_EDESTADDRREQ": 89, "_EMSGSIZE": 90, "_ENOPROTOOPT": 92,
    "_EPROTONOSUPPORT": 93, "_EOPNOTSUPP": 95, "_EAFNOSUPPORT": 97, "_EADDRINUSE": 98,
    "_EADDRNOTAVAIL": 99, "_ENETDOWN": 100, "_ENETUNREACH": 101, "_ECONNABORTED": 103,
    "_ECONNRESET": 104, "_ENOBUFS": 105, "_EISCONN": 106, "_ENOTCONN": 107, "_ESHUTDOWN": 108,
    "_ETIMEDOUT": 110, "_ECONNREFUSED": 111, "_EHOSTUNREACH": 113, "_EALREADY": 114,
    "_EINPROGRESS": 115,
}  # fmt: skip

# Machine code for the common case, proven equal to what it stands for.
FASTPATH = (
    "netstack/api/host.py",
    "netstack/core/interface.py",
    "netstack/core/stack.py",
    "netstack/inet/echo6_fast.py",
    "netstack/inet/echo_fast.py",
    "netstack/inet/forward6_fast.py",
    "netstack/inet/forward_fast.py",
    "netstack/inet/forwarding.py",
    "netstack/inet/match.py",
    "netstack/inet/match6.py",
    "netstack/link/loopback.py",
    "netstack/transport/tcp/batch.py",
    "netstack/transport/tcp/fast.py",
    "netstack/transport/udp_fast.py",
)

FILES = sorted(STACK.rglob("*.py"))
NAMES = [str(path.relative_to(LIB)) for path in FILES]


def _tree(path):
    return ast.parse(path.read_text(), str(path))


def _rung(path):
    parts = path.relative_to(STACK).parts
    return parts[0] if len(parts) > 1 else None


def _imports(tree):
    """(module, line) of every import, also of those by __import__("...")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "line %d: a relative import" % node.lineno
            yield node.module, node.lineno
            for alias in node.names:  # `from netstack.link import arp` means netstack.link.arp
                yield node.module + "." + alias.name, node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "__import__":
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, node.lineno


def _constants(tree):
    """{name: value} of the module's NAME = const(...)."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if getattr(node.value.func, "id", None) == "const":
                code = compile(ast.Expression(node.value.args[0]), "const", "eval")
                found[node.targets[0].id] = eval(code, {}, dict(found))
    return found


def _functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _is_viper(function):
    return any(getattr(d, "attr", None) == "viper" for d in function.decorator_list)


def _is_assembly(function):
    return any(getattr(d, "attr", None) == "asm_thumb" for d in function.decorator_list)


def test_there_is_something_to_check():
    assert len(FILES) > 10
    rungs = {_rung(path) for path in FILES} - {None}
    assert rungs <= set(BELOW), "rungs DESIGN section 3 does not know: %s" % (rungs - set(BELOW))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_go_one_way(path):
    rung = _rung(path)
    wrong = []
    for module, line in _imports(_tree(path)):
        top, _, rest = module.partition(".")
        if top != "netstack":
            if top not in BUILTINS | PORTS.get(rung, set()):
                wrong.append("line %d: %s is not MicroPython's" % (line, module))
        elif rung is not None and rest:
            target = rest.split(".")[0]
            if target in BELOW and target != rung and target not in BELOW[rung]:
                wrong.append("line %d: %s imports %s" % (line, rung, module))
    assert not wrong, "\n".join(wrong)


def test_shared_constants_are_equal():
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    for path, name in zip(FILES, NAMES):
        for constant, value in _constants(_tree(path)).items():
            if SHARED.match(constant) or constant in LINUX_ERRNO:
                values[constant][value].append(name)
    _agree(values)


def test_constants_of_one_package_are_equal():
    # Packages of more than one file below a rung: transport/tcp and its like.
    for package in {path.parent for path in FILES if len(path.relative_to(STACK).parts) > 2}:
        values = collections.defaultdict(lambda: collections.defaultdict(list))
        for path in sorted(package.glob("*.py")):
            for constant, value in _constants(_tree(path)).items():
                values[constant][value].append(str(path.relative_to(LIB)))
        _agree(values)


def _agree(values):
    wrong = ["%s: %s" % (name, dict(by)) for name, by in values.items() if len(by) > 1]
    assert not wrong, "one name, several values:\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_errno_numbers_are_linuxs(path):
    for name, value in _constants(_tree(path)).items():
        if name in LINUX_ERRNO:
            assert value == LINUX_ERRNO[name], "%s is %d" % (name, LINUX_ERRNO[name])


@pytest.mark.parametrize(("path", "name"), list(zip(FILES, NAMES)), ids=NAMES)
def test_sizes(path, name):
    lines = path.read_text().splitlines()
    assert len(lines) <= 800, "%d lines, at most 800" % len(lines)
    for function in _functions(_tree(path)):
        n = function.end_lineno - function.lineno + 1
        for inner in _functions(function)[1:]:  # a closure counts by itself
            n -= inner.end_lineno - inner.lineno + 1
        most = 60
        if _is_assembly(function):
            most = 400  # an instruction a line
        elif _is_viper(function) and name in FASTPATH:
            most = 200  # a kernel that called others would cost more than it saves
        assert n <= most, "%s() has %d lines, at most %d" % (function.name, n, most)
        arguments = len([a for a in function.args.args if a.arg != "self"])
        # A kernel's (buf, off) pairs count once; the fast path's get move() and its job as well.
        assert arguments <= (11 if name in FASTPATH else 8), "%s() has %d arguments" % (
            function.name,
            arguments,
        )


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_viper_literals_are_small_ints(path):
    # A literal from 2^30 on is an object on a 32-bit port, which viper cannot take.
    for function in _functions(_tree(path)):
        if _is_viper(function):
            for node in ast.walk(function):
                if isinstance(node, ast.Constant) and isinstance(node.value, int):
                    assert node.value < 1 << 30, "%s(), line %d: %#x" % (
                        function.name, node.lineno, node.value)  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_globals_at_import(path):
    # STYLE 6.6: importing allocates nothing beyond names, so a module holds no buffers.
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            function = node.value.func
            name = getattr(function, "id", getattr(function, "attr", ""))
            assert name not in ("bytearray", "array", "Ring", "Pool", "Stack"), (
                "line %d: %s() at import" % (node.lineno, name))  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_words(path):
    text = path.read_text()
    assert not re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b", text), "unfinished work"
    first = text.split("\n", 1)[0]
    assert first.startswith(("#", '"""')), "the first line does not say what the file is"


def test_twins_of_all_kernels():
    """Every viper and assembly function has a plain twin in tests/unix/ref.py (STYLE 6.2); the
    fast path's is the slow path, to which tests/unix/diff compares it, and that of a driver is the
    chip, emulated in tests/hw/emulator."""
    ref = {f.name for f in _functions(_tree(ROOT / "tests" / "unix" / "ref.py"))}
    renamed = {"_xorshift": "xorshift"}
    missing = []
    for path, name in zip(FILES, NAMES):
        if name in FASTPATH or _rung(path) == "nic":
            continue
        for function in _functions(_tree(path)):
            if _is_viper(function) or _is_assembly(function):
                twin = renamed.get(function.name, function.name.lstrip("_"))
                if twin not in ref:
                    missing.append("%s: %s()" % (name, function.name))
    assert not missing, "no twin in tests/unix/ref.py for " + ", ".join(missing)
