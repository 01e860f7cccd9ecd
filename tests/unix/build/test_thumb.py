"""ports/rp2/thumb.py: shorter machine code for a Cortex-M0+ does what the longer one did. Code as
MicroPython's compiler writes it, made from a seed, is run by rp2040py's processor before and
after."""

import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "ports/rp2")]
import thumb  # noqa: E402

NOP = 0xBF00
RETURN = 0x4770  # bx lr
CODE = 0x20010000
STACK = 0x20020000
REGISTERS = (0, 2, 3, 4, 5, 6, 7)  # long jumps take the other one
END = 0x20030000


class Compiler:
    """Writes blocks that jump forwards only, each jump with room for the longest."""

    def __init__(self, seed, blocks, reach):
        self.random = random.Random(seed)
        self.words = [0xB088]  # sub sp, #32
        starts = []
        jumps = []  # (place, condition, block)
        for block in range(blocks):
            starts.append(len(self.words))
            for _ in range(self.random.randrange(1, 8)):
                self._simple()
            target = self.random.randrange(block + 1, min(block + reach, blocks) + 1)
            condition = self.random.choice((0, 1, 8, 10, 13, 14))
            if condition != 14:
                self.words.append(0x2800 | self._register() << 8 | 5)  # cmp register, #5
            jumps.append((len(self.words), condition, target))
            self._room(condition)
        starts.append(len(self.words))
        self.words += [0xB008, RETURN]  # add sp, #32
        for place, condition, block in jumps:
            self._jump(place, condition, starts[block])

    def _register(self):
        return self.random.choice(REGISTERS)

    def _simple(self):
        register, slot = self._register(), self.random.randrange(8)
        choice = self.random.randrange(5)
        if choice == 0:
            self.words.append(0x3000 | register << 8 | slot)  # add register, #n
        elif choice == 1:  # add register, register, register
            both = self._register() << 6 | self._register() << 3
            self.words.append(0x1800 | both | register)
        elif choice == 2:
            self.words.append(0x9000 | register << 8 | slot)  # str register, [sp, #n]
        elif choice == 3:
            self.words += [0x9000 | register << 8 | slot, 0x9800 | register << 8 | slot]
        else:
            self._number(register, self.random.getrandbits(32))

    def _number(self, register, value):
        if len(self.words) & 1:
            self.words.append(NOP)
        self.words += [0x4800 | register << 8, 0xE001, value & 0xFFFF, value >> 16]

    def _room(self, condition):
        if condition != 14:
            self.words.append(0)
        self.words += [0] * (5 if len(self.words) & 1 else 4)

    def _jump(self, place, condition, where):
        size = 4 + (place + (condition != 14) & 1)
        if condition != 14:
            self.words[place] = 0xD000 | (condition ^ 1) << 8 | size - 1
            place += 1
        far = where - place - 2
        if far < 1024:
            self.words[place : place + size] = [0xE000 | far] + [NOP] * (size - 1)
            return
        if size == 5:
            self.words[place] = NOP
            place += 1
        offset = (where - place - 3) * 2
        self.words[place : place + 4] = 0x4900, 0x448F, offset & 0xFFFF, offset >> 16

    def code(self):
        return b"".join(word.to_bytes(2, "little") for word in self.words)


def run(code):
    """(registers, what is on the stack) after the code has run."""
    from rp2040py.rp2040 import RP2040

    mcu = RP2040()
    core = mcu.core
    for at in range(0, len(code), 2):
        mcu.write_uint16(CODE + at, code[at] | code[at + 1] << 8)
    for n in range(8):
        core.registers[n] = n * 3
    core.registers[13], core.registers[14], core.registers[15] = STACK, END | 1, CODE
    for _ in range(100000):
        if core.registers[15] == END:
            break
        core.execute_instruction()
    assert core.registers[15] == END and core.registers[13] == STACK
    frame = [mcu.read_uint32(STACK - 32 + at) for at in range(0, 32, 4)]
    return [core.registers[n] for n in REGISTERS], frame


@pytest.mark.parametrize("reach", [3, 30, 300])
@pytest.mark.parametrize("seed", range(8))
def test_shorter_code_does_the_same(seed, reach):
    code = Compiler(seed, 20 + seed * 40, reach).code()
    made = thumb.shorter(code)
    assert len(made) < len(code) * 0.9
    assert run(made) == run(code)


def test_what_is_not_understood_stays():
    code = Compiler(1, 20, 5).code()
    for word in (0x4479, 0xA000, 0x4687):  # add r1, pc; adr r0; mov pc, r0
        strange = word.to_bytes(2, "little") + code
        assert thumb.shorter(strange) == strange
