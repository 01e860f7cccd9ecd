"""Shorter machine code for a Cortex-M0+: thumb.py frozen_content.c frozen_short.c

MicroPython's compiler leaves room for the longest jump wherever it jumps forwards, and puts each
large number into the middle of the code with a jump across it. What is marked as viper is taken to
pieces here, and put together again with the shortest jumps, with the numbers behind the code, and
without loads of what has just been stored. The result is taken to pieces once more: unless it is
the same, or where there is anything that is not understood, a function stays as it is.
"""

import re
import sys

_CODE = re.compile(
    r"(static const byte (fun_data_\w+)\[)\d+(\] __attribute__[^\n]*= \{\n)(.*?)(\n\};)", re.DOTALL
)
_VIPER = re.compile(r"\.kind = MP_CODE_NATIVE_VIPER,\s[^}]*?\.fun_data = (fun_data_\w+),")
_BYTE = re.compile(r"0x([0-9a-f]{2})")
_HEAD = 4  # bytes before the code: a word for MicroPython
_NOP = 0xBF00
_ALWAYS = 14  # the condition of a jump that has none


class NotUnderstood(Exception):
    pass


def _signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


# -- taking to pieces ----------------------------------------------------------------------------
#
# ("op", halfword, None), ("number", register, value), ("jump", condition, where)


def take_to_pieces(code):
    """The pieces, jumps with the number of the piece they go to; without NOPs."""
    words = [code[i] | code[i + 1] << 8 for i in range(0, len(code) & ~1, 2)]
    pieces, starts = [], []
    at, end = 0, len(words)
    while at < end:
        starts.append(at)
        size, piece, first = _piece(words, at)
        end = min(end, first)  # numbers stand there
        pieces.append(piece)
        at += size
    index = {start: k for k, start in enumerate(starts)}
    for k, (kind, a, b) in enumerate(pieces):
        if kind == "jump":
            if b not in index:
                raise NotUnderstood("a jump into the middle of something")
            pieces[k] = (kind, a, index[b])
    return _without_nops(pieces)


def _piece(words, at):
    """(halfwords, piece, where the numbers behind the code begin at the latest)"""
    word = words[at]
    following = words[at + 1 : at + 2]
    none = len(words)
    if word >> 11 == 0b01001:  # ldr register, [pc, #n]
        place = (at + 2 & ~1) + (word & 255) * 2
        if place + 1 >= len(words):
            raise NotUnderstood("a number behind the end")
        value = words[place] | words[place + 1] << 16
        register = word >> 8 & 7
        if following == [0x448F] and place == at + 2 and register == 1:  # add pc, r1
            where = at + 3 + _signed(value, 32) // 2
            return 4, ("jump", _ALWAYS, where), none
        if place - at < 4 and following and following[0] >> 11 == 0b11100:  # a jump across it
            after = at + 3 + (following[0] & 0x7FF)
            if after == place + 2:
                return after - at, ("number", register, value), none
        return 1, ("number", register, value), place
    if word >> 11 == 0b11100:
        return 1, ("jump", _ALWAYS, at + 2 + _signed(word & 0x7FF, 11)), none
    if word >> 12 == 0b1101:
        condition = word >> 8 & 15
        if condition >= 14:
            raise NotUnderstood("undefined, or a call of the system")
        return 1, ("jump", condition, at + 2 + _signed(word & 255, 8)), none
    if word >> 11 > 0b11100 or word >> 11 == 0b10100 or word & 0xFC78 == 0x4478:
        raise NotUnderstood("a long instruction, or one that asks where it is")
    if word & 0xFC87 == 0x4487:
        raise NotUnderstood("a computed jump")
    return 1, ("op", word, None), none


def _without_nops(pieces):
    kept, number = [], []
    for piece in pieces:
        number.append(len(kept))
        if piece != ("op", _NOP, None):
            kept.append(piece)
    number.append(len(kept))
    return [(k, a, number[b] if k == "jump" else b) for k, a, b in kept]


# -- what can be left out ------------------------------------------------------------------------


def simplify(pieces):
    """Without loads of what has just been stored, and with jumps on a condition that go where they
    should instead of around a jump."""
    targets = {b for kind, a, b in pieces if kind == "jump"}
    kept, number = [], []
    k = 0
    while k < len(pieces):
        number.append(len(kept))
        kind, a, b = pieces[k]
        last = kept[-1] if kept else None
        if kind == "op" and a >> 11 == 0b10011 and k not in targets:  # ldr register, [sp, #n]
            if last == ("op", a & ~0x800, None):
                k += 1
                continue
        if kind == "jump" and a != _ALWAYS and b == k + 2 and k + 1 not in targets:
            kind_, a_, b_ = pieces[k + 1]
            if kind_ == "jump" and a_ == _ALWAYS:
                number.append(len(kept))
                kept.append(("jump", a ^ 1, b_))
                k += 2
                continue
        kept.append(pieces[k])
        k += 1
    number.append(len(kept))
    return [(k, a, number[b] if k == "jump" else b) for k, a, b in kept]


# -- putting together ----------------------------------------------------------------------------


class Assembler:
    """Pieces at places. What does not reach gets longer, until everything does."""

    def __init__(self, pieces):
        self.pieces = pieces
        # Of a jump: 1, 2 kB; 2, any distance. Of a number: 1, not behind the code.
        self.far = [0] * len(pieces)
        while self._lengthen():
            pass

    def _lengthen(self):
        self._place()
        longer = False
        for k, (kind, a, b) in enumerate(self.pieces):
            at = self.at[k] + 2
            if kind == "number":
                reaches = self.far[k] or self.pool[b] - (at & ~1) < 512
            elif kind == "op" or self.far[k] == 2:
                reaches = True
            elif a == _ALWAYS:
                reaches = -1024 <= self.at[b] - at < 1024
            elif self.far[k]:
                reaches = -1024 <= self.at[b] - at - 1 < 1024
            else:
                reaches = -128 <= self.at[b] - at < 128
            if not reaches:
                self.far[k] = 2 if kind == "jump" and a == _ALWAYS else self.far[k] + 1
                longer = True
        return longer

    def _place(self):
        self.at = []
        self.pool = {}
        at = 0
        for k, piece in enumerate(self.pieces):
            self.at.append(at)
            at += self._size(k, at, *piece)
        self.at.append(at)
        at += at & 1
        for k, (kind, _, value) in enumerate(self.pieces):
            if kind == "number" and not self.far[k] and value not in self.pool:
                self.pool[value] = at
                at += 2
        self.end = at

    def _size(self, k, at, kind, a, b):
        if kind == "number":
            return 4 + (at & 1) if self.far[k] else 1
        if kind == "op" or not self.far[k]:
            return 1
        if a == _ALWAYS:
            return 4 + (at & 1)
        return 2 if self.far[k] == 1 else 5 + (at + 1 & 1)

    def code(self):
        words = [_NOP] * self.end
        for k, (kind, a, b) in enumerate(self.pieces):
            at = self.at[k]
            if kind == "op":
                words[at] = a
            elif kind == "number":
                self._number(words, at, k, a, b)
            else:
                self._jump(words, at, k, a, self.at[b])
        for value, at in self.pool.items():
            words[at : at + 2] = value & 0xFFFF, value >> 16
        return b"".join(word.to_bytes(2, "little") for word in words)

    def _number(self, words, at, k, register, value):
        words[at] = 0x4800 | register << 8
        if self.far[k]:
            place = at + 3 & ~1
            words[at] |= (place - (at + 2 & ~1)) // 2
            words[at + 1] = 0xE000 | place + 2 - (at + 3)
            words[place : place + 2] = value & 0xFFFF, value >> 16
        else:
            words[at] |= (self.pool[value] - (at + 2 & ~1)) // 2

    def _jump(self, words, at, k, condition, where):
        if condition != _ALWAYS:
            if not self.far[k]:
                words[at] = 0xD000 | condition << 8 | where - at - 2 & 255
                return
            after = self.at[k + 1]
            words[at] = 0xD000 | (condition ^ 1) << 8 | after - at - 2
            at += 1
        if self.far[k] == 2:
            at += at & 1
            words[at : at + 2] = 0x4900, 0x448F  # ldr r1, [pc, #0]; add pc, r1
            far = (where - at - 3) * 2 & 0xFFFFFFFF
            words[at + 2 : at + 4] = far & 0xFFFF, far >> 16
        else:
            words[at] = 0xE000 | where - at - 2 & 0x7FF


def shorter(code):
    """The same code in fewer bytes, or as it is."""
    try:
        pieces = simplify(take_to_pieces(code))
        made = Assembler(pieces).code()
        if simplify(take_to_pieces(made)) != pieces or len(made) >= len(code):
            return code
    except NotUnderstood:
        return code
    return made


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        text = file.read()
    viper = set(_VIPER.findall(text))

    def again(match):
        if match[2] not in viper:
            return match[0]
        code = bytes(int(byte, 16) for byte in _BYTE.findall(match[4]))
        code = code[:_HEAD] + shorter(code[_HEAD:])
        rows = (code[at : at + 16] for at in range(0, len(code), 16))
        body = "\n".join("    " + " ".join("0x%02x," % byte for byte in row) for row in rows)
        return match[1] + str(len(code)) + match[3] + body + match[5]

    with open(target, "w") as file:
        file.write(_CODE.sub(again, text))


if __name__ == "__main__":
    main()
