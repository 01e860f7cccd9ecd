"""Certificates for tests of TLS, made by openssl: a directory of PEM files.

ca.pem believes in server.pem and server.key (EC, for netstack.example and the addresses of the
tests), rsa.pem and rsa.key (the same, RSA), other.pem and other.key (other.example), client.pem
and client.key. rogue.pem and rogue.key claim to be the server, but of a CA that nobody knows.
"""

import subprocess

NAME = "netstack.example"
OTHER = "other.example"
_NAMES = "DNS:%s,IP:10.99.0.1,IP:10.99.0.2,IP:127.0.0.1"
_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
_RSA = ["-newkey", "rsa:2048"]


def _openssl(*args, cwd):
    argv = ["openssl", *args]
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, "%s: %s" % (" ".join(argv), done.stdout.decode())


def _ca(name, cwd):
    extension = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    request = ["req", "-x509", "-nodes", *_EC, "-subj", "/CN=" + name, "-days", "2", *extension]
    _openssl(*request, "-keyout", name + ".key", "-out", name + ".pem", cwd=cwd)


def _signed(name, subject, ca, cwd, kind=_EC):
    request = ["req", "-nodes", *kind, "-subj", "/CN=" + subject, "-keyout", name + ".key"]
    _openssl(*request, "-out", name + ".csr", cwd=cwd)
    (cwd / "names").write_text("subjectAltName=" + _NAMES % subject)
    sign = ["x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key"]
    sign += ["-CAcreateserial", "-days", "2", "-extfile", "names"]
    _openssl(*sign, "-out", name + ".pem", cwd=cwd)


def make(directory):
    """Fills `directory`, a pathlib.Path; returns it."""
    _ca("ca", directory)
    _ca("nobody", directory)
    _signed("server", NAME, "ca", directory)
    _signed("rsa", NAME, "ca", directory, _RSA)
    _signed("other", OTHER, "ca", directory)
    _signed("client", "client", "ca", directory)
    _signed("rogue", NAME, "nobody", directory)
    return directory
