"""Functions and classes of frozen modules in flash: rom.py frozen_content.c frozen_rom.h

rom.c, which has both in it, tells what for. What the bodies of modules and classes make is read
from the comments in frozen_content.c, an instruction in each. A class has a table of what is in it
when that is functions, properties and constants and nothing else.
"""

import re
import sys

_CODE = re.compile(
    r"static const mp_raw_code_truncated_t proto_fun_(?P<name>\w+) = \{"
    r".*?\.kind = MP_CODE_(?P<kind>\w+),\s*\.is_generator = (?P<generator>\d),"
    r"\s*\.fun_data = (?P<data>\w+),\s*\.children = (?P<children>[^\n]*),\n",
    re.DOTALL,
)
_BODY = re.compile(r"static const byte fun_data_(\w+)\[\d+\] = \{(.*?)\n\};", re.DOTALL)
_OP = re.compile(r", // ([A-Z_]+) ?(.*)")
_CHILDREN = re.compile(
    r"static const mp_raw_code_t \*const children_(\w+)\[\] = \{(.*?)\};", re.DOTALL
)
_CHILD = re.compile(r"&proto_fun_(\w+)")
_OBJECTS = re.compile(
    r"static const mp_rom_obj_t const_obj_table_data_(\w+)\[\d+\] = \{(.*?)\};", re.DOTALL
)
_MODULE = re.compile(
    r"static const mp_frozen_module_t frozen_module_(\w+) = \{.*?\.proto_fun = &proto_fun_(\w+),",
    re.DOTALL,
)
_TYPES = {
    ("BYTECODE", "0"): "mp_type_fun_bc",
    ("BYTECODE", "1"): "mp_type_gen_wrap",
    ("NATIVE_PY", "0"): "mp_type_fun_native",
    ("NATIVE_PY", "1"): "mp_type_native_gen_wrap",
    ("NATIVE_VIPER", "0"): "mp_type_fun_viper",
}
_LEFT_OUT = ("__module__", "__qualname__")  # of every class, and asked for by nobody
_DEFAULTS = 6  # at most, of a function in rom_defs
_SIMPLE = {
    "LOAD_CONST_NONE": "MP_ROM_NONE",
    "LOAD_CONST_TRUE": "MP_ROM_TRUE",
    "LOAD_CONST_FALSE": "MP_ROM_FALSE",
    "LOAD_NULL": "MP_ROM_NULL",
}


class Const(str):
    """What a C compiler takes for an object."""


class Function:
    def __init__(self, name, defaults=()):
        self.name = name
        self.defaults = defaults


class Property:
    def __init__(self, getter, setter=None):
        self.getter = getter
        self.setter = setter


class Class:
    def __init__(self, name):
        self.name = name
        self.members = {}


class Frozen:
    """What frozen_content.c has."""

    def __init__(self, text):
        self.codes = {match["name"]: match for match in _CODE.finditer(text)}
        self.bodies = dict(_BODY.findall(text))
        self.children = {name: _CHILD.findall(them) for name, them in _CHILDREN.findall(text)}
        self.objects = {
            name: [each.strip(" \n,") for each in them.strip().splitlines()]
            for name, them in _OBJECTS.findall(text)
        }
        self.modules = [Module(self, *found) for found in _MODULE.findall(text)]


class Module:
    def __init__(self, frozen, name, body):
        self.frozen = frozen
        self.name = name
        self.body = body
        self.functions = []
        self.classes = []
        self._run(body, {})
        for each in self.classes:
            self._run(each.name, each.members)

    def _run(self, body, names):
        """Do what the code of a module or a class does, as far as can be told from here."""
        stack = []
        building = False
        for op, arg in _OP.findall(self.frozen.bodies.get(body, "")):
            do = getattr(self, "_" + op.lower(), None)
            if building and op.startswith("MAKE_"):
                child = self.frozen.children[body][int(arg.split()[0])]
                self.classes.append(Class(child))
                stack.clear()
            elif op in _SIMPLE:
                stack.append(Const(_SIMPLE[op]))
            elif do:
                do(stack, arg, body, names)
            else:  # anything else: what is on the stack is not known any more
                stack.clear()
            building = op == "LOAD_BUILD_CLASS"

    def _make_function(self, stack, arg, body, names):
        stack.append(self._function(self.frozen.children[body][int(arg)], ()))

    def _make_function_defargs(self, stack, arg, body, names):
        keywords = stack.pop() if stack else None
        defaults = stack.pop() if stack else None
        if keywords != "MP_ROM_NULL":
            defaults = None
        stack.append(self._function(self.frozen.children[body][int(arg)], defaults))

    def _function(self, child, defaults):
        code = self.frozen.codes.get(child)
        if not code or (code["kind"], code["generator"]) not in _TYPES:
            return None
        if defaults is None or len(defaults) > _DEFAULTS or None in defaults:
            return None
        function = Function(child, defaults)
        self.functions.append(function)
        return function

    def _build_tuple(self, stack, arg, body, names):
        n = int(arg)
        items = tuple(stack[len(stack) - n :]) if n <= len(stack) else (None,)
        del stack[max(len(stack) - n, 0) :]
        stack.append(items if all(type(item) is Const for item in items) else (None,))

    def _load_const_small_int(self, stack, arg, body, names):
        stack.append(Const("MP_ROM_INT(%s)" % arg))

    def _load_const_string(self, stack, arg, body, names):
        name = arg.strip("'\"")
        stack.append(Const("MP_ROM_QSTR(MP_QSTR_%s)" % name) if name.isidentifier() else None)

    def _load_const_obj(self, stack, arg, body, names):
        objects = self.frozen.objects.get(self.name, ())
        stack.append(Const(objects[int(arg)]) if int(arg) < len(objects) else None)

    def _load_name(self, stack, arg, body, names):
        name = arg.strip("'")
        if name == "property":
            stack.append(Property)
        else:
            stack.append(names.get(name))

    def _load_attr(self, stack, arg, body, names):
        of = stack.pop() if stack else None
        known = type(of) is Property and arg == "'setter'"
        stack.append((lambda setter: Property(of.getter, setter)) if known else None)

    def _call_function(self, stack, arg, body, names):
        function = stack.pop() if stack else None
        make = stack.pop() if stack else None
        if arg == "1" and type(function) is Function and callable(make):
            stack.append(make(function))
        else:
            stack.clear()

    def _store_name(self, stack, arg, body, names):
        names[arg.strip("'")] = stack.pop() if stack else None


def table(names):
    """The order in which MicroPython looks for names, by their hashes; None: nothing is there."""
    size = len(names) * 5 // 4 + 1
    slots = [None] * size
    for name in names:
        hash = 5381
        for byte in name.encode():
            hash = (hash * 33) ^ byte
        at = ((hash & 0xFF) or 1) % size  # MICROPY_QSTR_BYTES_IN_HASH: 1
        while slots[at] is not None:
            at = (at + 1) % size
        slots[at] = name
    return slots


class Writer:
    def __init__(self, frozen):
        self.frozen = frozen
        self.where = {}  # Function or Property -> its place
        self.funs = []
        self.defs = []
        self.props = []
        self.classes = []
        self.modules = []
        for at, module in enumerate(frozen.modules):
            self._module(at, module)

    def _module(self, at, module):
        first = len(self.funs), len(self.defs), len(self.classes)
        for each in module.functions:
            self._function(at, each)
        for each in module.classes:
            self._class(each)
        end = len(self.funs), len(self.defs), len(self.classes)
        data = self.frozen.codes[module.body]["data"]
        spans = ", ".join("%d, %d" % span for span in zip(first, end))
        self.modules.append("{%s, %s}, // %s" % (data, spans, module.name))

    def _function(self, at, function):
        code = self.frozen.codes[function.name]
        kind = _TYPES[code["kind"], code["generator"]]
        text = "{{&%s}, &rom_context[%d], %s, %s}" % (kind, at, code["children"], code["data"])
        into = self.defs if function.defaults else self.funs
        name = "rom_defs" if function.defaults else "rom_funs"
        self.where[function] = "MP_ROM_PTR(&%s[%d])" % (name, len(into))
        if function.defaults:
            items = ", ".join(function.defaults)
            text = "{%s, {%s}, %d}" % (text, items, len(function.defaults))
        into.append(text + ",")

    def _value(self, member):
        if type(member) is Property:
            both = member.getter, member.setter
            items = [self.where[each] if each else "MP_ROM_NONE" for each in both]
            self.props.append("{{&mp_type_property}, {%s, %s, MP_ROM_NONE}}," % tuple(items))
            return "MP_ROM_PTR(&rom_props[%d])" % (len(self.props) - 1)
        return self.where[member] if type(member) is Function else member

    def _class(self, each):
        members = {name: each.members[name] for name in each.members if name not in _LEFT_OUT}
        known = (Const, Function, Property)
        if not members or any(type(member) not in known for member in members.values()):
            return
        rows = []
        for name in table(list(members)):
            if name is None:
                rows.append("{0}")
            else:
                rows.append("{MP_ROM_QSTR(MP_QSTR_%s), %s}" % (name, self._value(members[name])))
        text = "{%s, %d, %d, (const mp_rom_map_elem_t[]) {\n        %s}},"
        data = self.frozen.codes[each.name]["data"]
        rows_text = ",\n        ".join(rows)
        self.classes.append(text % (data, len(members), len(rows), rows_text))

    def lines(self):
        yield "#define ROM_MODULES (%d)" % len(self.modules)
        yield "static mp_module_context_t rom_context[ROM_MODULES];"
        for kind in ("funs", "defs", "props", "classes", "modules"):
            yield "static const rom_%s_t rom_%s[] = {" % (kind, kind)
            yield from ("    " + text for text in getattr(self, kind))
            yield "};"


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        frozen = Frozen(file.read())
    with open(target, "w") as file:
        file.writelines(line + "\n" for line in Writer(frozen).lines())


if __name__ == "__main__":
    main()
