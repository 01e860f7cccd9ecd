"""systemd-networkd without systemd: what it sees of the system is read-only, so that it does not
wait for udev."""

import os

import pytest

PROGRAM = "/lib/systemd/systemd-networkd"


def start(ns, text, path):
    """Run it in a namespace with this .network file, which lies in `path` meanwhile."""
    if not os.path.exists(PROGRAM):
        pytest.skip("systemd-networkd is not installed: make test installs what the tests need")
    conf = path / "it.network"
    conf.write_text(text)
    conf.chmod(0o644)
    script = (
        "mount -t tmpfs tmpfs /run && mount -o remount,bind,ro /sys"
        " && mkdir -p /run/systemd/network && cp %s /run/systemd/network && exec %s"
    ) % (conf, PROGRAM)
    env = dict(os.environ, SYSTEMD_LOG_LEVEL="debug", SYSTEMD_LOG_TARGET="console")
    return ns.start("unshare", "-m", "sh", "-c", script, env=env)
