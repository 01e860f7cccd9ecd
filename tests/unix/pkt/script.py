"""Reads .pkt scripts (README.md says what they may hold) into steps for ../pktrun.py, which runs
them inside MicroPython. A step is (line, kind, (mode, from, to), text, what):

    kind   "<" inject, ">" expect, "call", "code"
    mode   0 at this time, 1 so much after the step before, 2 at any time; microseconds
    what   ("tcp", flags, sequence, bytes, ack, win, urg, options, tos)   None: not given
           ("udp", bytes), ("icmp", type, code, mtu, id, quoted)
           (name, arguments, end, result, errno) of a call, the code itself
"""

import errno
import re

TOKEN = re.compile(
    r"""
    (?P<skip>[ \t\r\n]+ | //[^\n]* | \#[^\n]*(?=\n|\Z) | /\*.*?\*/)
  | (?P<code>%\{.*?\}%)
  | (?P<shell>`(?:\\.|[^`])*`)
  | (?P<option>--[A-Za-z0-9_]+)
  | (?P<etc>\.\.\.)
  | (?P<string>"(?:\\.|[^"])*")
  | (?P<address>\d+\.\d+\.\d+\.\d+)
  | (?P<hex>0x[0-9a-fA-F]+)
  | (?P<float>-?\d*\.\d+)
  | (?P<number>-?\d+(?![A-Za-z0-9_]))
  | (?P<word>[A-Za-z0-9_]+)
  | (?P<char>.)
    """,
    re.VERBOSE | re.DOTALL,
)

# Linux's numbers. Whether the stack knows an option is for the stack to say.
CONSTANTS = {
    "AF_INET": 2, "PF_INET": 2, "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_NONBLOCK": 0x800,
    "IPPROTO_IP": 0, "SOL_IP": 0, "IPPROTO_TCP": 6, "SOL_TCP": 6, "IPPROTO_UDP": 17,
    "SOL_SOCKET": 1, "SO_REUSEADDR": 2, "SO_TYPE": 3, "SO_ERROR": 4, "SO_BROADCAST": 6,
    "SO_SNDBUF": 7, "SO_RCVBUF": 8, "SO_KEEPALIVE": 9, "SO_LINGER": 13, "SO_ACCEPTCONN": 30,
    "IP_TOS": 1, "IP_TTL": 2, "IP_MTU_DISCOVER": 10, "IP_PMTUDISC_DO": 2, "IP_PMTUDISC_DONT": 0,
    "TCP_NODELAY": 1, "TCP_MAXSEG": 2, "TCP_CORK": 3, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 6, "TCP_SYNCNT": 7, "TCP_LINGER2": 8, "TCP_DEFER_ACCEPT": 9,
    "TCP_WINDOW_CLAMP": 10, "TCP_INFO": 11, "TCP_QUICKACK": 12, "TCP_CONGESTION": 13,
    "TCP_USER_TIMEOUT": 18, "TCP_FASTOPEN": 23,
    "TCP_FASTOPEN_CONNECT": 30,
    "SHUT_RD": 0, "SHUT_WR": 1, "SHUT_RDWR": 2, "F_GETFL": 3, "F_SETFL": 4,
    "O_RDONLY": 0, "O_RDWR": 2, "O_NONBLOCK": 0x800,
    "MSG_DONTWAIT": 0x40, "MSG_NOSIGNAL": 0x4000, "MSG_MORE": 0x8000, "MSG_FASTOPEN": 0x20000000,
    "POLLIN": 1, "POLLPRI": 2, "POLLOUT": 4, "POLLERR": 8, "POLLHUP": 16, "POLLNVAL": 32,
    "POLLRDHUP": 0x2000, "INADDR_ANY": 0,
}  # fmt: skip

# Errors a socket may meet; MicroPython does not know all their names.
ERRORS = [9, 11, 12, 22, 32] + [n for n in range(88, 116) if n in errno.errorcode]

# name: (fewest arguments, most)
CALLS = {
    "socket": (3, 3), "bind": (3, 3), "listen": (2, 2), "accept": (3, 3), "connect": (3, 3),
    "read": (3, 3), "write": (3, 3), "recv": (4, 4), "send": (4, 4), "recvfrom": (6, 6),
    "sendto": (6, 6), "shutdown": (2, 2), "close": (1, 1), "setsockopt": (5, 5),
    "getsockopt": (5, 5), "fcntl": (2, 3), "poll": (3, 3),
}  # fmt: skip

TCP_INFO = """state ca_state retransmits probes backoff options wscale rto ato snd_mss rcv_mss
unacked sacked lost retrans last_data_sent last_data_recv last_ack_recv pmtu rtt rttvar
snd_ssthresh snd_cwnd advmss reordering rcv_space total_retrans bytes_acked bytes_received
notsent_bytes snd_wnd rcv_wnd""".split()

ICMP_TYPES = {
    "echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8,
    "time_exceeded": 11, "parameter_problem": 12,
}  # fmt: skip
UNREACHABLE = """net_unreachable host_unreachable protocol_unreachable port_unreachable
frag_needed source_route_failed net_unknown host_unknown source_host_isolated net_prohibited
host_prohibited net_unreachable_for_tos host_unreachable_for_tos packet_filtered
precedence_violation precedence_cutoff""".split()

TOS = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
ACCEPTED = ("tolerance_usecs", "mtu", "define")  # the others are about packetdrill's machine
IGNORED = """tolerance_percent ip_version bind_port connect_port code_command code_format
code_sockopt local_ip remote_ip netmask_ip gateway_ip local_linux_xns speed mss init_scripts
tcp_ts_tick_usecs tcp_ts_ecr_scaled non_fatal verbose send_omit_free persistent_tun_dev
strict_segments wire_client_dev wire_server_dev""".split()


class ScriptError(Exception):
    """One line, with the line of the script."""


class Script:
    """A .pkt file: `steps`, `options`, and `notes` on what is not done."""

    def __init__(self, text, name="script"):
        self.name = name
        self.options = {"tolerance_usecs": 4000, "mtu": 1500, "loose": False}
        self.options["fastopen"] = bool(
            re.search(r"^[^/\n]*(FASTOPEN|\bFO\b)", text, re.MULTILINE)
        )
        self.defines = {}
        self.steps = []
        self.notes = []
        self.source = text.splitlines()
        self.tokens = []  # (kind, text, line)
        line = 1
        for match in TOKEN.finditer(text):
            if match.lastgroup != "skip":
                self.tokens.append((match.lastgroup, match.group(), line))
            line += match.group().count("\n")
        self.tokens.append(("end", "the end", line))
        self.at = 0
        while self.kind() != "end":
            self._item()
        if not self.steps:
            raise ScriptError("%s: there is no step in it" % name)

    # -- tokens

    def kind(self):
        return self.tokens[self.at][0]

    def text(self):
        return self.tokens[self.at][1]

    def line(self):
        return self.tokens[self.at][2]

    def take(self, wanted=None):
        """The next token's text, which has to be `wanted`."""
        text = self.text()
        if wanted and text != wanted:
            self.fail("%s was expected, not %s" % (wanted, text))
        self.at += 1
        return text

    def found(self, text):
        """Take the next token if it is `text`."""
        if self.text() != text:
            return False
        self.at += 1
        return True

    def fail(self, text):
        raise ScriptError("%s:%d: %s" % (self.name, self.line(), text))

    def unknown(self, what):
        self.fail("%s is not supported here" % what)

    def number(self):
        kind, text, _ = self.tokens[self.at]
        text = self.defines.get(text, text)
        if kind == "hex" or re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", text):
            self.at += 1
            return int(text, 0 if text.startswith("0x") else 10)
        self.fail("a number was expected, not %s" % text)

    def word(self):
        if self.kind() != "word":
            self.fail("a name was expected, not %s" % self.text())
        name = self.take()
        return self.defines.get(name, name)

    # -- steps

    def _item(self):
        if self.kind() == "option":
            self._option()
        elif self.kind() == "shell":
            self._shell()
        else:
            line = self.line()
            when = self._time()
            end = None
            if self.found("..."):
                end = self._microseconds()
            self._event(line, when, end)

    def _option(self):
        name = self.take()[2:]
        if name == "define" and not self.found("="):
            self._define()
            return
        value = ""
        if name == "define":
            self._define()
            return
        if self.found("="):
            line = self.line()
            while self.line() == line and self.kind() not in ("option", "end"):
                value += self.take()
        if name in ACCEPTED:
            self.options[name] = int(value)
        elif name not in IGNORED:
            self.at -= 1
            self.unknown("--" + name)

    def _define(self):
        name = self.take()
        self.take("=")
        self.defines[name] = self.take().strip('"')

    def _shell(self):
        self.notes.append("%s:%d: a shell command is not run" % (self.name, self.line()))
        self.take()

    def _microseconds(self):
        if self.kind() not in ("number", "float"):
            self.fail("a time was expected, not %s" % self.text())
        return round(float(self.take()) * 1000000)

    def _time(self):
        if self.found("*"):
            return (2, 0, 0)
        mode = 1 if self.found("+") else 0
        start = end = self._microseconds()
        if self.found("~"):
            if mode != self.found("+"):
                self.fail("both ends of a range of times are relative, or none")
            end = self._microseconds()
        if end < start:
            self.fail("this range of times ends before it begins")
        return (mode, start, end)

    def _event(self, line, when, end):
        if self.kind() == "shell":
            self._shell()
            return
        text = self.source[line - 1].split("//")[0].strip()
        if self.kind() == "code":
            kind, what = "code", self._code()
        elif self.text() in ("<", ">"):
            kind = self.take()
            what = self._packet(kind)
        elif self.kind() == "word":
            kind, what = "call", self._call(end)
            end = None
        else:
            self.fail("a packet, a call or code was expected, not %s" % self.text())
        if end is not None:
            self.fail("only a call takes time")
        self.steps.append((line, kind, when, text, what))

    def _code(self):
        code = self.text()[2:-2].strip().replace("\\\n", "\n")
        for name in re.findall(r"\btcpi_(\w+)", code):
            if name not in TCP_INFO:
                self.unknown("tcpi_" + name)
        if "\n" not in code:
            code = "\n".join(part.strip() for part in code.split(";"))
        try:
            compile(code, self.name, "exec")
        except SyntaxError:
            code = "\n".join(part.strip() for part in re.split(r"[;\n]", code))
        self.take()
        return code

    # -- packets

    def _packet(self, direction):
        tos = self._ip_info()
        if self.found("udp"):
            self.take("(")
            n = self.number()
            self.take(")")
            return ("udp", n)
        if self.found("icmp"):
            return self._icmp()
        if self.kind() == "address" or self.text() in ("ipv4", "ipv6", "gre", "mpls", "("):
            self.unknown("%s before a segment" % self.text())
        flags = self._flags()
        seq, n = self._sequence()
        ack = self.number() if self.found("ack") else None
        win = self.number() if self.found("win") else None
        urg = self.number() if self.found("urg") else 0
        options = self._options() if self.text() == "<" else []
        if direction == "<":
            if win is None and "R" not in flags:
                self.at -= 1
                self.fail("a segment that is injected needs a window, win <number>")
            if options is None:
                self.at -= 1
                self.fail("a segment that is injected needs its options, not <...>")
        if ack is not None and "." not in flags:
            self.at -= 1
            self.fail("ack <number> goes with the flag .")
        return ("tcp", flags, seq, n, ack, win, urg, options, tos)

    def _ip_info(self):
        """[ect0], [tos 0x10]: the type of service, None when it is not given."""
        if not self.found("["):
            return None
        name = self.word()
        if name in TOS:
            tos = TOS[name]
        elif name == "tos":
            tos = self.number()
        else:
            self.at -= 1
            self.unknown("[%s]" % name)
        self.take("]")
        return tos

    def _flags(self):
        text = ""
        while self.kind() != "number":
            text += self.take()
            if len(text) > 9:
                self.fail("no flags of a segment: %s" % text)
        if text == "-":
            return ""
        odd = set(text) - set("FSRP.UEW")
        if odd or not text:
            self.unknown("the flag %s" % "".join(sorted(odd)))
        return "".join(letter for letter in "FSRP.UEW" if letter in text)

    def _sequence(self):
        seq = self.number()
        self.take(":")
        end = self.number()
        self.take("(")
        n = self.number()
        self.take(")")
        if (seq + n) & 0xFFFFFFFF != end & 0xFFFFFFFF:
            self.fail("%d:%d(%d) does not add up" % (seq, end, n))
        return seq, n

    def _options(self):
        """[(name, value, ...), ...] or None for <...>."""
        self.take("<")
        if self.found("..."):
            self.take(">")
            return None
        options = []
        while not self.found(">"):
            options.append(self._one_option())
            if not self.found(",") and self.text() != ">":
                self.fail(", or > was expected, not %s" % self.text())
        return options

    def _one_option(self):
        name = self.take()
        if name in ("nop", "eol", "sackOK"):
            return (name,)
        if name in ("mss", "wscale"):
            return (name, self.number())
        if name == "FO":  # without a cookie it asks for one
            cookie = self.take() if self.text() not in (",", ">") else ""
            if cookie != "TFO_COOKIE" and not re.fullmatch("(?:[0-9a-f]{4}){2,8}|", cookie):
                self.at -= 1
                self.unknown("the cookie %s" % cookie)
            return (name, cookie)
        if name == "TS":
            self.take("val")
            value = self.number()
            self.take("ecr")
            return (name, value, self.number())
        if name == "sack":
            edges = []
            while self.kind() == "number":
                edges.append(self.number())
                self.take(":")
                edges.append(self.number())
            return (name,) + tuple(edges)
        self.at -= 1
        self.unknown("the TCP option %s" % name)

    def _icmp(self):
        name = self.word()
        if name not in ICMP_TYPES:
            self.at -= 1
            self.unknown("icmp %s" % name)
        code = 0
        if self.kind() == "word" and self.text() not in ("mtu", "id"):
            text = self.word()
            if text in UNREACHABLE:
                code = UNREACHABLE.index(text)
            elif text.isdigit():
                code = int(text)
            else:
                self.at -= 1
                self.unknown("icmp %s %s" % (name, text))
        mtu = self.number() if self.found("mtu") else 0
        ident = self.number() if self.found("id") else None
        quoted = ("tcp", 0, 0)
        if self.found("["):
            if self.found("udp"):
                self.take("(")
                quoted = ("udp", self.number())
                self.take(")")
            else:
                quoted = ("tcp",) + self._sequence()
            self.take("]")
        return ("icmp", ICMP_TYPES[name], code, mtu, ident, quoted)

    # -- calls

    def _call(self, end):
        name = self.word()
        if name not in CALLS:
            self.at -= 1
            self.unknown("%s()" % name)
        args = self._arguments()
        fewest, most = CALLS[name]
        if not fewest <= len(args) <= most:
            self.fail("%s() with %d arguments" % (name, len(args)))
        self.take("=")
        if self.found("..."):
            result, code = None, 0
        else:
            result = self.number()
            code = self._errno() if self.kind() == "word" and self.text()[0] == "E" else 0
        if self.found("("):  # (flags O_RDWR|O_NONBLOCK), (Operation now in progress)
            while self.take() != ")":
                pass
        return (name, args, end, result, code)

    def _errno(self):
        name = self.word()
        if not hasattr(errno, name):
            self.at -= 1
            self.unknown(name)
        return getattr(errno, name)

    def _arguments(self):
        self.take("(")
        args = []
        while not self.found(")"):
            args.append(self._value())
            if not self.found(",") and self.text() != ")":
                self.fail(", or ) was expected, not %s" % self.text())
        return args

    def _value(self):
        """A number, None for `...`, a list for [...], a dictionary for {a=1, b=2}."""
        if self.found("..."):
            return None
        if self.found("["):
            items = []
            while not self.found("]"):
                items.append(self._value())
                self.found(",")
            return items
        if self.found("{"):
            return self._struct()
        if self.kind() in ("string", "address"):
            return self.take().strip('"')
        value = self._atom()
        while self.found("|"):
            value |= self._atom()
        return value

    def _struct(self):
        fields = {}
        while not self.found("}"):
            name = self.word()
            self.take("=")
            fields[name] = self._value()
            self.found(",")
        return fields

    def _atom(self):
        if self.kind() != "word" or self.text() in self.defines:
            return self.number()
        name = self.word()
        if name in ("htons", "htonl", "inet_addr"):
            return self._arguments()[0]
        if name not in CONSTANTS:
            self.at -= 1
            self.unknown(name)
        return CONSTANTS[name]


def program(script):
    """What runs the script inside MicroPython."""
    script.options["errors"] = {n: errno.errorcode[n] for n in ERRORS}
    steps = "".join("    %r,\n" % (step,) for step in script.steps)
    return "import pktrun\n\npktrun.run(%r, %r, [\n%s])\n" % (script.name, script.options, steps)
