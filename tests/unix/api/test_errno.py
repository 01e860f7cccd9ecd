# Programs compare what sockets raise with the names of the module errno, which must be Linux's
# numbers as well: a C library of small boards has others.

import bench
import errno

LINUX = {
    "EPERM": 1,
    "ENOENT": 2,
    "EIO": 5,
    "EBADF": 9,
    "EAGAIN": 11,
    "ENOMEM": 12,
    "EACCES": 13,
    "EEXIST": 17,
    "ENODEV": 19,
    "EINVAL": 22,
    "EOPNOTSUPP": 95,
    "EADDRINUSE": 98,
    "ECONNABORTED": 103,
    "ECONNRESET": 104,
    "ENOBUFS": 105,
    "ENOTCONN": 107,
    "ETIMEDOUT": 110,
    "ECONNREFUSED": 111,
    "EHOSTUNREACH": 113,
    "EALREADY": 114,
    "EINPROGRESS": 115,
}
# What netstack raises beside them; our images have names for it, a stock firmware has not.
OURS = {
    "EPIPE": 32,
    "EPROTO": 71,
    "EDESTADDRREQ": 89,
    "EMSGSIZE": 90,
    "ENOPROTOOPT": 92,
    "EPROTONOSUPPORT": 93,
    "ESOCKTNOSUPPORT": 94,
    "EAFNOSUPPORT": 97,
    "EADDRNOTAVAIL": 99,
    "ENETDOWN": 100,
    "ENETUNREACH": 101,
    "EISCONN": 106,
}


def test_names():
    known = [name for name in LINUX if hasattr(errno, name)]
    assert len(known) > 15, known
    for name in known:
        assert getattr(errno, name) == LINUX[name], (name, getattr(errno, name))
        assert errno.errorcode[LINUX[name]] == name


def test_tracebacks():
    for name in OURS:
        assert getattr(errno, name) == OURS[name], name
        assert str(OSError(OURS[name])) == "[Errno %d] %s" % (OURS[name], name)


bench.run_tests(globals())
