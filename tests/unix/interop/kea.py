"""Kea's servers in a namespace, with all that they keep in a test's directory."""

import json
import os
import time

import netns
import pytest


def start(lan, path, family, config, name="kea", interface="tap0"):
    """kea-dhcp4 or kea-dhcp6 (family 4, 6), configured by the dictionary `config`; its Process.
    It takes only an interface that is running: netstack comes first."""
    program = "kea-dhcp%d" % family
    if not netns.which(program):
        pytest.skip("%s is not installed: make test installs what the tests need" % program)
    _wait_running(lan, interface)
    whole = {
        "interfaces-config": {"interfaces": [interface]},
        "lease-database": {
            "type": "memfile",
            "persist": True,
            "name": str(path / ("leases%d.csv" % family)),
        },
        "loggers": [
            {"name": program, "severity": "INFO", "output_options": [{"output": "stdout"}]}
        ],
    }
    if family == 6:
        whole["data-directory"] = str(path)
    whole.update(config)
    file = path / (name + ".conf")
    file.write_text(json.dumps({"Dhcp%d" % family: whole}))
    env = dict(os.environ, KEA_LOCKFILE_DIR=str(path), KEA_PIDFILE_DIR=str(path))
    server = lan.start(program, "-c", file, env=env)
    server.expect("DHCP%d_STARTED" % family, 30)
    return server


def _wait_running(lan, interface):
    """The kernel notices only after a while that somebody holds a TAP; until then Kea opens no
    socket there, and never tries again."""
    end = time.monotonic() + 30
    while True:
        said = lan.run("ip", "-j", "link", "show", interface.partition("/")[0])
        if json.loads(getattr(said, "stdout", said))[0]["operstate"] != "DOWN":
            return
        assert time.monotonic() < end, "%s does not come up" % interface
        time.sleep(0.02)
