# Modules of the stack that are not frozen, as bench.optional() of the unit tests has them.

import sys

_LIB = sys.argv[0].rsplit("/", 5)[0] + "/lib/"


def load(name):
    """netstack.<name>, frozen or from lib/."""
    name = "netstack." + name
    try:
        return _import(name)
    except ImportError:
        pass
    package, _, module = name.rpartition(".")
    sys.path.insert(0, _LIB + package.replace(".", "/"))
    try:
        found = __import__(module)
    finally:
        sys.path.pop(0)
    sys.modules[name] = found
    setattr(_import(package), module, found)
    return found


def _import(name):
    __import__(name)
    return sys.modules[name]
