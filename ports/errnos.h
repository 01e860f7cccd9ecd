// Names of error numbers: upstream's, and others that netstack raises, so that a traceback says
// "[Errno 101] ENETUNREACH" instead of "101", and a program can say errno.EPIPE. Every port's and
// board's configuration includes this.

// What py/mperrno.h lacks. Linux's numbers, like those it has.
#define MP_EPROTO           (71)
#define MP_EDESTADDRREQ     (89)
#define MP_EMSGSIZE         (90)
#define MP_ENOPROTOOPT      (92)
#define MP_EPROTONOSUPPORT  (93)
#define MP_ESOCKTNOSUPPORT  (94)
#define MP_EADDRNOTAVAIL    (99)
#define MP_ENETDOWN         (100)
#define MP_ENETUNREACH      (101)

#define MICROPY_PY_ERRNO_LIST \
    X(EPERM) \
    X(ENOENT) \
    X(EIO) \
    X(EBADF) \
    X(EAGAIN) \
    X(ENOMEM) \
    X(EACCES) \
    X(EEXIST) \
    X(ENODEV) \
    X(EISDIR) \
    X(EINVAL) \
    X(EPIPE) \
    X(EPROTO) \
    X(EDESTADDRREQ) \
    X(EMSGSIZE) \
    X(ENOPROTOOPT) \
    X(EPROTONOSUPPORT) \
    X(ESOCKTNOSUPPORT) \
    X(EOPNOTSUPP) \
    X(EAFNOSUPPORT) \
    X(EADDRINUSE) \
    X(EADDRNOTAVAIL) \
    X(ENETDOWN) \
    X(ENETUNREACH) \
    X(ECONNABORTED) \
    X(ECONNRESET) \
    X(ENOBUFS) \
    X(EISCONN) \
    X(ENOTCONN) \
    X(ETIMEDOUT) \
    X(ECONNREFUSED) \
    X(EHOSTUNREACH) \
    X(EALREADY) \
    X(EINPROGRESS)
