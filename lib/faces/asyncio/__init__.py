# MicroPython's asyncio (extmod/asyncio/__init__.py, MIT license, (c) 2019 Damien P. George), with
# streams and wait_for() of netstack's.

from .core import *  # noqa: F403

__version__ = (3, 0, 0)

_attrs = {
    "wait_for": "wait",
    "wait_for_ms": "wait",
    "gather": "funcs",
    "Event": "event",
    "ThreadSafeFlag": "event",
    "Lock": "lock",
    "open_connection": "stream",
    "start_server": "stream",
    "StreamReader": "stream",
    "StreamWriter": "stream",
}


def __getattr__(attr):
    """Loads it when it is first used."""
    mod = _attrs.get(attr, None)
    if mod is None:
        raise AttributeError(attr)
    value = getattr(__import__(mod, None, None, True, 1), attr)
    globals()[attr] = value
    return value
