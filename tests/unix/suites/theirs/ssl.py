# `ssl` for upstream's own build of the unix port, by its `tls`. Upstream's is in
# micropython-lib, which no registry has; ours needs our build.

import tls as _tls
from tls import *  # noqa: F403
from tls import CERT_NONE, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER


def _content(it):
    """A certificate or a key: bytes as they are, text names a file."""
    if not isinstance(it, str):
        return it
    with open(it, "rb") as file:
        return file.read()


class SSLContext:
    """What connections of one kind have in common. protocol: a PROTOCOL_... constant."""

    def __init__(self, protocol):
        self._context = _tls.SSLContext(protocol)
        self._context.verify_mode = CERT_NONE  # as MicroPython has it on either side

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.verify_mode = mode

    def load_cert_chain(self, certfile, keyfile):
        """Our own certificate and its key: bytes (PEM or DER) or the names of files."""
        self._context.load_cert_chain(_content(certfile), _content(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        """Whose certificates to believe: the name of a file, or bytes."""
        self._context.load_verify_locations(_content(cafile) if cafile else cadata)

    def get_ciphers(self):
        return self._context.get_ciphers()

    def set_ciphers(self, ciphers):
        self._context.set_ciphers(ciphers)

    def wrap_socket(
        self, sock, server_side=False, do_handshake_on_connect=True, server_hostname=None
    ):
        return self._context.wrap_socket(
            sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            server_hostname=server_hostname,
        )


def wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    """A connection with a context of its own."""
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    if cert or key:
        context.load_cert_chain(cert, key)
    if cadata:
        context.load_verify_locations(cadata=cadata)
    context.verify_mode = cert_reqs
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake,
        server_hostname=server_hostname,
    )
