"""Kea's servers in a namespace, with all that they keep in a test's directory."""

import json
import os

import netns
import pytest


def start(ns, path, family, config, name="kea", interface="tap0"):
    """kea-dhcp4 or kea-dhcp6 (family 4, 6), configured by the dictionary `config`; its Process.
    It opens no socket on an interface that is not running, and never tries again: netstack comes
    first."""
    program = "kea-dhcp%d" % family
    if not netns.which(program):
        pytest.skip("%s is not installed: make test installs what the tests need" % program)
    ns.wait_running(interface.partition("/")[0])
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
    server = ns.start(program, "-c", file, env=env)
    server.expect("DHCP%d_STARTED" % family, 90)
    return server
