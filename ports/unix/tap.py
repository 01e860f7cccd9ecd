"""TAP NIC of the unix port: Ethernet frames through /dev/net/tun, by ffi to the C library; recv
and send are objects of frames.c. See Linux's Documentation/networking/tuntap.rst.
"""

import ffi
import os
from array import array
from micropython import const

# include/uapi/asm-generic/fcntl.h, linux/if.h, linux/if_tun.h, linux/sockios.h, asm-generic/poll.h
_O_RDWR_NONBLOCK_CLOEXEC = const(0x80802)
_TUNSETIFF = const(0x400454CA)
_IFF_TAP_NO_PI = const(0x1002)
_SIOCGIFFLAGS = const(0x8913)
_IFF_UP_RUNNING = const(0x41)
_AF_INET = const(2)
_SOCK_DGRAM_CLOEXEC = const(0x80002)
_POLLIN = const(1)

# asm-generic/errno-base.h: MicroPython's `errno` has not all of them
_EPERM = const(1)
_ENOENT = const(2)
_EACCES = const(13)
_EBUSY = const(16)
_ENODEV = const(19)
_EINVAL = const(22)

# struct ifreq: a name of 16 bytes, then the flags
_IFREQ_SIZE = const(40)
_IFREQ_FLAGS = const(16)
_IFNAMSIZ = const(16)

# struct pollfd: int fd, short events, short revents
_POLLFD_SIZE = const(8)
_POLLFD_EVENTS = const(4)
_WAIT_MAX = const(16)  # NICs that one wait() can watch

# struct tap of frames.c
_FD = const(0)
_DROPS = const(2)

_libc = ffi.open(None)
_open = _libc.func("i", "open", "si")
_close = _libc.func("i", "close", "i")
_ioctl = _libc.func("i", "ioctl", "iLP")
_socket = _libc.func("i", "socket", "iii")
_poll = _libc.func("i", "netstack_sleep", "PLi")  # threads.c
rouse = _libc.func("v", "netstack_rouse", "")
_on_wait = _libc.func("v", "netstack_on_wait", "OPi")  # wait.c
_recv = _libc.func("O", "netstack_recv", "P")  # frames.c
_send = _libc.func("O", "netstack_send", "P")
_watch = _libc.func("i", "netstack_watch", "i")  # a frame ends select's wait
_unwatch = _libc.func("v", "netstack_unwatch", "i")


class TAP:
    """The TAP interface `name`, which must exist; `mac` is our end's, random if not given."""

    def __init__(self, name="tap0", mac=None, mtu=1500):
        if not 0 < len(name) < _IFNAMSIZ:
            raise ValueError("TAP name %r: 1 to 15 characters" % name)
        if mac is not None and (len(mac) != 6 or mac[0] & 1):
            raise ValueError("MAC of %s: 6 bytes, the first of them even" % name)
        self.name = name
        self.mac = bytes(mac) if mac is not None else _random_mac()
        self.mtu = mtu
        self.caps = 0
        self.fileno = -1
        self._tap = array("q", (-1, mtu + 18, 0))  # the limit: with Ethernet and VLAN header
        self.recv = _recv(self._tap)
        self.send = _send(self._tap)
        self._pollfds = bytearray(_POLLFD_SIZE * _WAIT_MAX)
        self._ifreq = bytearray(_IFREQ_SIZE)
        self._ifreq[: len(name)] = name.encode()
        # Flags are asked of a socket: /sys may show another network namespace than ours.
        self._ctl = _socket(_AF_INET, _SOCK_DGRAM_CLOEXEC, 0)
        try:
            self._attach()
        except OSError:
            self.close()
            raise

    def _attach(self):
        # As root, TUNSETIFF would make a TAP that is not there, without an address, and be silent.
        if _ioctl(self._ctl, _SIOCGIFFLAGS, self._ifreq) < 0:
            _fail(self.name, _ENODEV)
        self.fileno = _open("/dev/net/tun", _O_RDWR_NONBLOCK_CLOEXEC)
        if self.fileno < 0:
            _fail_open(self.name, os.errno())
        self._ifreq[_IFREQ_FLAGS] = _IFF_TAP_NO_PI & 0xFF
        self._ifreq[_IFREQ_FLAGS + 1] = _IFF_TAP_NO_PI >> 8
        if _ioctl(self.fileno, _TUNSETIFF, self._ifreq) < 0:
            _fail(self.name, os.errno())
        self._tap[_FD] = self.fileno
        _watch(self.fileno)

    def close(self):
        if self.fileno >= 0:
            _unwatch(self.fileno)
            _close(self.fileno)
        if self._ctl >= 0:
            _close(self._ctl)
        self.fileno = self._ctl = self._tap[_FD] = -1

    @property
    def drops(self):
        """Frames that were too long."""
        return self._tap[_DROPS]

    def link(self):
        """1 while the interface is up on the host's side and its TAP is ours."""
        if _ioctl(self._ctl, _SIOCGIFFLAGS, self._ifreq) < 0:
            return 0
        return int(self._ifreq[_IFREQ_FLAGS] & _IFF_UP_RUNNING == _IFF_UP_RUNNING)

    def irq(self, cb):
        """A file descriptor interrupts nobody: programs wait for it with wait()."""

    def multicast(self, mac, on):
        """Nothing to do: a TAP hands over every frame."""

    def wait(self, ms):
        """Sleep until a frame waits or `ms` are over (-1: forever); true if one does."""
        fds = self._pollfds
        _enter(fds, 0, self.fileno)
        return _poll(fds, 1, ms) > 0


def on_wait(callback, words, ms=-1):
    """Have `callback(None)` called from the scheduler while a program waits, in select, time.sleep
    or at the REPL: when a frame has come, when the stack with these words is due, after `ms` at
    the latest. The caller keeps both alive."""
    _on_wait(callback, words, ms)


def wait(nics, ms):
    """Sleep until one of `nics` has a frame waiting or `ms` are over; true if one has.

    NICs without a file descriptor are passed over; with none left this is a plain sleep.
    """
    fds = 0
    count = 0
    for nic in nics:
        fd = getattr(nic, "fileno", -1)
        if fd >= 0 and count < _WAIT_MAX:
            # Room of the first TAP found: netstack_sleep() has a copy of it.
            if not count:
                fds = nic._pollfds
            _enter(fds, count, fd)
            count += 1
    return _poll(fds, count, ms) > 0


@micropython.viper
def _enter(fds, i: int, fd: int):
    words = ptr32(fds)
    words[2 * i] = fd
    words[2 * i + 1] = _POLLIN  # events, and revents cleared (little endian)


def _random_mac():
    mac = bytearray(os.urandom(6))
    mac[0] = mac[0] & 0xFC | 2  # locally administered, not a group
    return bytes(mac)


def _fail_open(name, code):
    text = "cannot open /dev/net/tun, which TAP %s needs" % name
    if code == _ENOENT:
        text += "; sudo modprobe tun brings it"
    if code == _EACCES:
        text += "; sudo chmod 666 /dev/net/tun lets every user"
    raise OSError(code, text)


def _fail(name, code):
    how = "sudo ip tuntap add dev %s mode tap user $USER makes one" % name
    if code == _ENODEV:
        raise OSError(code, "there is no TAP %s; %s" % (name, how))
    if code == _EBUSY:
        raise OSError(code, "TAP %s is in use by another program" % name)
    if code == _EPERM:
        raise OSError(code, "TAP %s belongs to another user; make one of your own" % name)
    if code == _EINVAL:
        raise OSError(code, "%s is no TAP, or one with several queues; %s" % (name, how))
    raise OSError(code, "cannot attach to TAP %s" % name)
