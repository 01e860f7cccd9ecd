"""Frozen modules in flash: rom.py frozen_content.c qstrdefs.generated.h frozen_rom.h mod*.c ...

rom.c, which has both in it, tells what for. What the bodies of modules and classes make is read
from the comments in frozen_content.c, an instruction in each, and what MicroPython's own modules
have from the tables in their sources. A class or a module has a table of what is in it when all of
that is known here. What is found wrong when the module is imported is not used.
"""

import pathlib
import re
import sys

_CODE = re.compile(
    r"static const mp_raw_code(?:_truncated)?_t proto_fun_(?P<name>\w+) = \{"
    r".*?\.kind = MP_CODE_(?P<kind>\w+),\s*\.is_generator = (?P<generator>\d),"
    r"\s*\.fun_data = (?P<data>\w+),\s*\.children = (?P<children>[^\n]*),\n(?P<rest>.*?)\n\};",
    re.DOTALL,
)
_ASM = re.compile(r"\.asm_n_pos_args = (\d+),\s*\.asm_type_sig = (\d+),")
_BODY = re.compile(r"static const byte fun_data_(\w+)\[\d+\] = \{(.*?)\n\};", re.DOTALL)
_OP = re.compile(r"^ *((?:0x\w\w,)+) // ([A-Z_]+) ?(.*)", re.MULTILINE)
_CHILDREN = re.compile(
    r"static const mp_raw_code_t \*const children_(\w+)\[\] = \{(.*?)\};", re.DOTALL
)
_CHILD = re.compile(r"&proto_fun_(\w+)")
_OBJECTS = re.compile(
    r"static const mp_rom_obj_t const_obj_table_data_(\w+)\[\d+\] = \{(.*?)\};", re.DOTALL
)
_FILE = re.compile(r"// frozen module (\w+)\n.*?// - frozen file name: (\S+)\n", re.DOTALL)
_MODULE = re.compile(
    r"static const mp_frozen_module_t frozen_module_(\w+) = \{\s*\.constants = \{"
    r"\s*\.qstr_table = ([^\n]*),\s*\.obj_table = ([^\n]*),\s*\},"
    r"\s*\.proto_fun = &proto_fun_(\w+),"
)
_POOL = re.compile(r"enum \{\s*(MP_QSTR_\w+ = MP_QSTRnumber_of,.*?)\};", re.DOTALL)
_QSTR = re.compile(r"\bMP_QSTR_(\w+)")
_REGISTER = re.compile(
    r"^MP_REGISTER_(?:EXTENSIBLE_)?MODULE\(MP_QSTR_(\w+), (\w+)\)", re.MULTILINE
)
_ROW = re.compile(r"MP_ROM_QSTR\(MP_QSTR_(\w+)\), *MP_ROM_PTR\(&(\w+)\)")
_TYPES = {
    ("BYTECODE", "0"): "mp_type_fun_bc",
    ("BYTECODE", "1"): "mp_type_gen_wrap",
    ("NATIVE_PY", "0"): "mp_type_fun_native",
    ("NATIVE_PY", "1"): "mp_type_native_gen_wrap",
    ("NATIVE_VIPER", "0"): "mp_type_fun_viper",
}
_LEFT_OUT = ("__module__", "__qualname__")  # of every class, and asked for by nobody
_DEFAULTS = 6  # at most, of a function in rom_defs
_CELLS = 2  # of a closure in rom_closures
_SIMPLE = {
    "LOAD_CONST_NONE": "MP_ROM_NONE",
    "LOAD_CONST_TRUE": "MP_ROM_TRUE",
    "LOAD_CONST_FALSE": "MP_ROM_FALSE",
    "LOAD_NULL": "MP_ROM_NULL",
}
_MADE = ("MAKE_FUNCTION", "MAKE_CLOSURE")
_FALSE = ("MP_ROM_NONE", "MP_ROM_FALSE", "MP_ROM_INT(0)")


class Const(str):
    """What a C compiler takes for an object."""


class Symbol(str):
    """An object of MicroPython's."""


_LITERALS = (Const, Symbol)


class Function:
    def __init__(self, name, defaults=()):
        self.name = name
        self.defaults = defaults


class Closure:
    """A function that the body of a module has made by another."""

    def __init__(self, function, cells):
        self.function = function
        self.cells = cells


class Property:
    def __init__(self, getter, setter=None):
        self.getter = getter
        self.setter = setter


class Class:
    def __init__(self, code, name=None, bases=None):
        self.code = code
        self.name = name
        self.bases = bases  # None: not known
        self.members = {}


class Builtin:
    """A module of MicroPython's: its object, and the names that are in it."""

    def __init__(self):
        self.symbol = None
        self.names = {}


class Missing:
    """A module that is not there, and what is to be imported from it."""


class Folder:
    """A package without __init__.py."""

    def __init__(self, dotted):
        self.dotted = dotted
        self.names = {}


def builtins(sources):
    """{name: Builtin}, from files such as modtime.c; those of the port add to those of extmod."""
    found = {}
    for source in map(pathlib.Path, sources):
        text = source.read_text()
        registered = dict(_REGISTER.findall(text))
        for name in registered or [source.stem[3:]]:
            module = found.setdefault(name, Builtin())
            module.symbol = module.symbol or Symbol(registered.get(name, ""))
            for key, symbol in _ROW.findall(text):
                module.names.setdefault(key, Symbol(symbol))
    return found


class Frozen:
    """What frozen_content.c has."""

    def __init__(self, text, known=None):
        self.builtins = known or {}
        self.codes = {match["name"]: match for match in _CODE.finditer(text)}
        self.bodies = {name: list(_instructions(body)) for name, body in _BODY.findall(text)}
        self.children = {name: _CHILD.findall(them) for name, them in _CHILDREN.findall(text)}
        self.objects = {
            name: [each.strip(" \n,") for each in them.strip().splitlines()]
            for name, them in _OBJECTS.findall(text)
        }
        self.qstrs = _QSTR.findall(_POOL.search(text)[1])
        files = dict(_FILE.findall(text))
        self.modules = [Module(self, files[found[0]], *found) for found in _MODULE.findall(text)]
        self.named = {module.dotted: module for module in self.modules}
        self.folders = {name.rpartition(".")[0] for name in self.named}
        for module in self.modules:
            module.run()

    def module(self, name):
        if name in self.folders and name not in self.named:
            return Folder(name)
        return self.named.get(name) or self.builtins.get(name)


def _instructions(body):
    """(where the next one is, operation, argument) of each."""
    at = 0
    for data, op, arg in _OP.findall(body):
        at += data.count(",")
        if op.startswith("MAKE_CLOSURE"):  # over how many, the comment does not tell
            arg += " %d" % int(data.rstrip(",").rpartition(",")[2], 16)
        yield at, op, arg


class Module:
    def __init__(self, frozen, file, name, qstrs, objects, body):
        self.frozen = frozen
        self.file = file
        self.name = name
        self.constants = "{%s, %s}" % (qstrs, objects)
        self.body = body
        path = file.rpartition(".")[0].split("/")
        self.package = path[-1] == "__init__"
        self.dotted = ".".join(path[:-1] if self.package else path)
        self.names = {}
        self.functions = []
        self.classes = []
        self._begun = False

    def run(self):
        if not self._begun:
            self._begun = True
            self._run(self.body, self.names)
            for function in self.functions[:]:
                self._nested(function.name)

    def _nested(self, code):
        """Functions inside of a function; machine code does not tell which have default values."""
        children = self.frozen.children.get(code, ())
        if code in self.frozen.bodies:
            made = {int(arg.split()[0]) for _, op, arg in self.frozen.bodies[code] if op in _MADE}
            children = [children[at] for at in sorted(made)]
        for child in children:
            if self._may_seal(code, child):
                self._function(child, ())
            self._nested(child)

    def _may_seal(self, code, child):
        """May a closure of `child`, if it is machine code, have the values of what it is made over
        instead of the cells (rom.c)? Only if that never changes once a closure has been made."""
        if _TYPES.get((self.frozen.codes[child]["kind"], "0")) != "mp_type_fun_viper":
            return True
        made = False
        for _, op, _ in self.frozen.bodies.get(code, [(0, "JUMP", "")]):
            if "JUMP" in op or "ITER" in op or op == "STORE_DEREF" and made:
                return False
            made = made or op.startswith("MAKE_CLOSURE")
        for sibling in self.frozen.children.get(code, ()):  # by `nonlocal`
            if any(op == "STORE_DEREF" for _, op, _ in self.frozen.bodies.get(sibling, ())):
                return False
        return not self.frozen.children.get(child)

    def _run(self, body, names):
        """Do what the code of a module or a class does, as far as can be told from here."""
        stack = []
        goal = 0
        for at, op, arg in self.frozen.bodies.get(body, ()):
            if at <= goal:
                continue
            do = getattr(self, "_" + op.lower(), None)
            if op in _SIMPLE:
                stack.append(Const(_SIMPLE[op]))
            elif op in ("JUMP", "POP_EXCEPT_JUMP"):
                goal = at + int(arg)
            elif op == "POP_JUMP_IF_FALSE":
                if _pop(stack) in _FALSE:
                    goal = at + int(arg)
            elif do:
                do(stack, arg, body, names)
            else:  # anything else: what is on the stack is not known any more
                stack.clear()

    def _make_function(self, stack, arg, body, names):
        child = self.frozen.children[body][int(arg)]
        if stack and stack[-1] is Class:
            stack.append(child)
        else:
            stack.append(self._function(child, ()))

    def _make_function_defargs(self, stack, arg, body, names):
        keywords = _pop(stack)
        defaults = _pop(stack)
        if keywords != "MP_ROM_NULL":
            defaults = None
        stack.append(self._function(self.frozen.children[body][int(arg)], defaults))

    def _function(self, child, defaults):
        code = self.frozen.codes.get(child)
        if not code or (code["kind"] != "NATIVE_ASM" and _kind(code) is None):
            return None
        if defaults is None or len(defaults) > _DEFAULTS:
            return None
        if any(type(each) not in _LITERALS for each in defaults):
            return None
        for function in self.functions:
            if (function.name, function.defaults) == (child, defaults):
                return function
        function = Function(child, defaults)
        self.functions.append(function)
        return function

    def _build_tuple(self, stack, arg, body, names):
        items = _take(stack, int(arg))
        known = None not in items and items or (None,)
        stack.append(known if items else Const("MP_ROM_PTR(&mp_const_empty_tuple_obj)"))

    def _unpack_sequence(self, stack, arg, body, names):
        items = _pop(stack)
        if type(items) is not tuple or len(items) != int(arg):
            items = (None,) * int(arg)
        stack.extend(reversed(items))

    def _load_const_small_int(self, stack, arg, body, names):
        stack.append(Const("MP_ROM_INT(%s)" % arg))

    def _load_const_string(self, stack, arg, body, names):
        name = arg.strip("'\"")
        stack.append(Const("MP_ROM_QSTR(MP_QSTR_%s)" % name) if name.isidentifier() else None)

    def _load_const_obj(self, stack, arg, body, names):
        objects = self.frozen.objects.get(self.name, ())
        stack.append(Const(objects[int(arg)]) if int(arg) < len(objects) else None)

    def _load_build_class(self, stack, arg, body, names):
        stack.append(Class)

    def _load_name(self, stack, arg, body, names):
        name = arg.strip("'")
        if name in names or name in self.names:
            stack.append(names[name] if name in names else self.names[name])
        elif name == "property":
            stack.append(Property)
        else:
            known = self.frozen.builtins.get("builtins")
            stack.append(known and known.names.get(name))

    def _load_attr(self, stack, arg, body, names):
        of = _pop(stack)
        name = arg.strip("'")
        if type(of) is Property and name == "setter":
            stack.append(lambda setter: Property(of.getter, setter))
        elif type(of) in (Module, Builtin):
            stack.append(self._of_module(of, name))
        else:
            stack.append(None)

    def _call_function(self, stack, arg, body, names):
        items = _take(stack, int(arg))
        make = _pop(stack)
        if make is Class and len(items) >= 2 and type(items[0]) is str:
            bases = items[2:] if all(type(each) in (Class, Symbol) for each in items[2:]) else None
            made = Class(items[0], items[1], bases)
            self._run(made.code, made.members)
            for name in _LEFT_OUT:
                made.members.pop(name, None)
            self.classes.append(made)
            stack.append(made)
        elif len(items) == 1 and type(items[0]) is Function and callable(make):
            stack.append(make(items[0]))
        elif make == "mp_identity_obj":  # const() by another name
            stack.append(items[0])
        elif type(make) is Function and not make.defaults:
            stack.append(self._returned(make.name, items))
        else:
            stack.append(None)

    def _returned(self, body, args):
        """What a function returns that does no more than make closures over its arguments."""
        stack = []
        names = dict(enumerate(args))
        for _, op, arg in self.frozen.bodies.get(body, ()):
            if op == "LOAD_FAST":
                stack.append(names.get(int(arg)))
            elif op == "STORE_FAST":
                names[int(arg)] = _pop(stack)
            elif op in ("MAKE_CLOSURE", "MAKE_CLOSURE_DEFARGS"):
                stack.append(self._closure(stack, op, arg, body))
            elif op == "LOAD_CONST_SMALL_INT":
                self._load_const_small_int(stack, arg, body, names)
            elif op in _SIMPLE:
                stack.append(Const(_SIMPLE[op]))
            elif op == "BUILD_TUPLE":
                self._build_tuple(stack, arg, body, names)
            else:
                return _pop(stack) if op == "RETURN_VALUE" else None

    def _closure(self, stack, op, arg, body):
        child, n = map(int, arg.split())
        cells = _take(stack, n)
        if op == "MAKE_CLOSURE":
            stack.append(self._function(self.frozen.children[body][child], ()))
        else:
            self._make_function_defargs(stack, child, body, None)
        function = _pop(stack)
        if function is None or n > _CELLS or None in cells:
            return None
        return Closure(function, cells)

    def _import_name(self, stack, arg, body, names):
        wanted = _pop(stack)
        level = _pop(stack)
        name = arg.strip("'")
        if level != "MP_ROM_INT(0)":  # one up: `from . import`
            base = self.dotted if self.package else self.dotted.rpartition(".")[0]
            name = ".".join(filter(None, (base, name)))
        module = self.frozen.module(name)
        if type(module) is Module:
            module.run()
        if wanted == "MP_ROM_NONE":
            module = self.frozen.module(name.partition(".")[0])
        stack.append(module or Missing)

    def _import_from(self, stack, arg, body, names):
        module = stack[-1] if stack else None
        stack.append(module if module is Missing else self._of_module(module, arg.strip("'")))

    def _of_module(self, module, name):
        if type(module) in (Module, Folder) and name not in module.names:
            inner = self.frozen.named.get(module.dotted + "." + name)
            if inner:
                inner.run()
            return inner
        return module.names.get(name) if module else None

    def _import_star(self, stack, arg, body, names):
        module = _pop(stack)
        for name in module.names if module and module is not Missing else ():
            if not name.startswith("_"):
                names[name] = module.names[name]

    def _pop_top(self, stack, arg, body, names):
        _pop(stack)

    def _dup_top(self, stack, arg, body, names):
        stack.append(stack[-1] if stack else None)

    def _store_name(self, stack, arg, body, names):
        value = _pop(stack)
        if value is not Missing:  # then the name is not given: there is an ImportError
            names[arg.strip("'")] = value

    _store_global = _store_name

    def _delete_name(self, stack, arg, body, names):
        names.pop(arg.strip("'"), None)


def _pop(stack):
    return stack.pop() if stack else None


def _take(stack, n):
    """The n on top, all of them None if there are fewer."""
    items = tuple(stack[len(stack) - n :]) if n <= len(stack) else (None,) * n
    del stack[max(len(stack) - n, 0) :]
    return items


def _kind(code):
    return _TYPES.get((code["kind"], code["generator"]))


def digest(name):
    """MicroPython's hash of a string, with MICROPY_QSTR_BYTES_IN_HASH 1."""
    found = 5381
    for byte in name.encode():
        found = (found * 33) ^ byte
    return (found & 0xFF) or 1


def table(names):
    """The order in which MicroPython looks for names, by their hashes; None: nothing is there."""
    size = len(names) * 5 // 4 + 1
    slots = [None] * size
    for name in names:
        at = digest(name) % size
        while slots[at] is not None:
            at = (at + 1) % size
        slots[at] = name
    return slots


def escape(name):
    """As in the names of MP_QSTR_."""
    return name.replace(".", "_dot_").replace("/", "_slash_")


class Writer:
    def __init__(self, frozen, qstrs):
        self.frozen = frozen
        self.where = {}  # Function, Property, Class, Module -> its place
        self.symbols = {}
        self.asms = []
        self.funs = []
        self.defs = []
        self.props = []
        self.closures = []
        self.tuples = []
        self.types = []
        self.classes = []
        self.context = []
        self.modules = []
        names = set()
        for each in frozen.modules:
            names.update((each.dotted, *each.dotted.split(".")))
        names.update(frozen.folders)
        self.names = sorted(name for name in names if name and escape(name) not in qstrs)
        for at, module in enumerate(frozen.modules):
            self.where[module] = "MP_ROM_PTR(&rom_context[%d])" % at
            self._place(at, module)
        self._place_classes([each for module in frozen.modules for each in module.classes])
        for at, module in enumerate(frozen.modules):
            self._module(at, module)

    def _place(self, at, module):
        """Functions, before anything refers to them."""
        module.first = len(self.funs), len(self.defs)
        for each in module.functions:
            self._function(at, each)
        module.end = len(self.funs), len(self.defs)

    def _place_classes(self, classes):
        """Each after those that it is made of."""
        left = [each for each in classes if not self._placed(each)]
        if len(left) < len(classes):
            self._place_classes(left)

    def _placed(self, each):
        if not self._known(each.members) or not self._known_bases(each):
            return False
        self.where[each] = "MP_ROM_PTR(&rom_types[%d])" % len(self.types)
        self.types.append(each)
        return True

    def _known(self, members):
        return all(map(self._knows, members.values()))

    def _knows(self, member):
        if type(member) is Closure:
            return all(map(self._knows, member.cells))
        if type(member) is tuple:
            return all(map(self._knows, member))
        kinds = (Const, Function, Property, Class, Module, Builtin, Symbol)
        return type(member) in kinds and (type(member) is not Class or member in self.where)

    def _known_bases(self, each):
        return each.bases is not None and all(
            type(base) is Symbol or base in self.where for base in each.bases
        )

    def _function(self, at, function):
        code = self.frozen.codes[function.name]
        if code["kind"] == "NATIVE_ASM":
            into, name = self.asms, "rom_asms"
            text = "{{&mp_type_fun_asm}, %s, %s, %s}"
            args, kind = _ASM.search(code["rest"]).groups()
            text %= args, code["data"], kind
        else:
            into = self.defs if function.defaults else self.funs
            name = "rom_defs" if function.defaults else "rom_funs"
            text = "{{&%s}, &rom_context[%d], %s, %s}"
            text %= _kind(code), at, code["children"], code["data"]
        if function.defaults:
            items = ", ".join(map(self._value, function.defaults))
            text = "{%s, {%s}, %d}" % (text, items, len(function.defaults))
        self.where[function] = "MP_ROM_PTR(&%s[%d])" % (name, len(into))
        into.append(text + ",")

    def _symbol(self, name):
        at = self.symbols.setdefault(name, len(self.symbols))
        return "MP_ROM_PTR(rom_symbol_%d)" % at

    def _value(self, member):
        kind = type(member)
        if kind is Property:
            both = member.getter, member.setter
            items = [self.where[each] if each else "MP_ROM_NONE" for each in both]
            self.props.append("{{&mp_type_property}, {%s, %s, MP_ROM_NONE}}," % tuple(items))
            return "MP_ROM_PTR(&rom_props[%d])" % (len(self.props) - 1)
        if kind is Closure:
            return self._closure(member)
        if kind is tuple:
            self.tuples.append(self._tuple(member))
            return "MP_ROM_PTR(&rom_tuple_%d)" % (len(self.tuples) - 1)
        if kind is Symbol:
            return self._symbol(member)
        if kind is Builtin:
            return self._symbol(member.symbol)
        return member if kind is Const else self.where[member]

    def _tuple(self, members):
        items = ", ".join(map(self._value, members))
        return "{{&mp_type_tuple}, %d, {%s}}" % (len(members), items)

    def _closure(self, closure):
        if closure not in self.where:
            cell = "MP_ROM_PTR((&(const rom_cells_t) {{&rom_cell_type}, %s}))"
            cells = ", ".join(cell % self._value(each) for each in closure.cells)
            text = "{{&mp_type_closure}, %s, %d, {%s}},"
            text %= self.where[closure.function], len(closure.cells), cells
            self.where[closure] = "MP_ROM_PTR(&rom_closures[%d])" % len(self.closures)
            self.closures.append(text)
        return self.where[closure]

    def _rows(self, members):
        """used, alloc, table of a map."""
        rows = []
        for name in table(list(members)):
            if name is None:
                rows.append("{0}")
            else:
                rows.append("{MP_ROM_QSTR(MP_QSTR_%s), %s}" % (name, self._value(members[name])))
        text = "{%d, %d, (const mp_rom_map_elem_t[]) {\n        %s}}"
        return text % (len(members), len(rows), ",\n        ".join(rows))

    def _module(self, at, module):
        data = self.frozen.codes[module.body]["data"]
        first = len(self.classes)
        for each in module.classes:
            self._class(each)
        self.context.append(
            "{{{&mp_type_module}, &rom_globals[%d]}, %s}, // %s"
            % (at, module.constants, module.dotted)
        )
        spans = "%d, %d, %d, %d, %d, %d" % (
            module.first[0], module.end[0], module.first[1], module.end[1],
            first, len(self.classes),
        )  # fmt: skip
        rows = "{0, 0, NULL}"
        if not module.package and self._known(module.names):
            names = dict(module.names)
            names["__name__"] = Const("MP_ROM_QSTR(MP_QSTR_%s)" % escape(module.dotted))
            names["__file__"] = Const("MP_ROM_QSTR(MP_QSTR_%s)" % escape(module.file))
            rows = self._rows(names)
        self.modules.append(
            "{%s, MP_QSTR_%s, %s, %s}," % (data, escape(module.dotted), spans, rows)
        )

    def _class(self, each):
        if not self._known(each.members):
            return
        place = "NULL"
        if each in self.where:
            place = self.where[each].replace("MP_ROM_PTR", "")
        data = self.frozen.codes[each.code]["data"]
        self.classes.append("{%s, %s, %s}," % (data, place, self._rows(each.members)))

    def _special(self, each):
        """MP_TYPE_FLAG_HAS_SPECIAL_ACCESSORS: has it, or what it is made of, properties?"""
        names = "__setattr__", "__delattr__"
        return (
            any(type(member) is Property for member in each.members.values())
            or any(name in each.members for name in names)
            or any(type(base) is Class and self._special(base) for base in each.bases)
        )

    def _stream(self, each):
        """Does a class inherit what io.IOBase gives C code?"""
        first = each.bases[0] if each.bases else None
        return first == "mp_type_iobase" or type(first) is Class and self._stream(first)

    def _types(self):
        for at, each in enumerate(self.types):
            parent = "NULL"
            if len(each.bases) == 1:
                parent = "(const void *)" + self._value(each.bases[0])
            elif each.bases:
                parent = "&(const rom_bases_t) " + self._tuple(each.bases)
            name = each.name.replace("MP_ROM_QSTR(", "").rstrip(")")
            yield "ROM_TYPE(%d, %s, %d, %d, %s, %d)," % (
                at, name, self._special(each), len(each.bases) > 0, parent, self._stream(each),
            )  # fmt: skip

    def _pool(self):
        """What names of modules are made of, for those that no code has."""
        n = len(self.frozen.qstrs)
        yield "enum {"
        for at, name in enumerate(self.names):
            yield "    MP_QSTR_%s = MP_QSTRnumber_of + %d," % (escape(name), n + at)
        yield "};"
        hashes = ", ".join(str(digest(name)) for name in self.names)
        yield "static const qstr_hash_t rom_hashes[] = {%s};" % hashes
        lengths = ", ".join(str(len(name)) for name in self.names)
        yield "static const qstr_len_t rom_lengths[] = {%s};" % lengths
        yield "const qstr_pool_t mp_qstr_frozen_const_pool = {"
        yield "    &rom_frozen_pool, MP_QSTRnumber_of + %d, true, 10, %d," % (n, len(self.names))
        yield "    (qstr_hash_t *)rom_hashes, (qstr_len_t *)rom_lengths, {"
        yield from ('        "%s",' % name for name in self.names)
        yield "    },"
        yield "};"

    def lines(self):
        yield from self._pool()
        types = list(self._types())
        yield "#define ROM_MODULES (%d)" % len(self.modules)
        yield "#define ROM_TYPES (%d)" % len(types)
        for name, at in self.symbols.items():
            text = 'extern const char rom_symbol_%d[] __asm__("%s") __attribute__((weak));'
            yield text % (at, name)
        yield "static mp_obj_dict_t rom_globals[ROM_MODULES];"
        yield "static mp_obj_dict_t rom_members[ROM_TYPES];"
        yield "static ROM_KEPT rom_types_t rom_types[ROM_TYPES];"
        yield "static ROM_KEPT mp_module_context_t rom_context[ROM_MODULES] = {"
        yield from ("    " + text for text in self.context)
        yield "};"
        for kind in ("asms", "funs", "defs", "props", "closures", "classes", "modules"):
            if kind == "closures":
                for at, text in enumerate(self.tuples):
                    yield "static const rom_bases_t rom_tuple_%d = %s;" % (at, text)
            yield "static const rom_%s_t rom_%s[] = {" % (kind, kind)
            yield from ("    " + text for text in getattr(self, kind))
            yield "};"
        yield "static ROM_KEPT rom_types_t rom_types[ROM_TYPES] = {"
        yield from ("    " + text for text in types)
        yield "};"


def main():
    source, qstrs, target, *sources = sys.argv[1:]
    with open(source) as file:
        frozen = Frozen(file.read(), builtins(sources))
    with open(qstrs) as file:
        known = set(_QSTR.findall(file.read())) | set(frozen.qstrs)
    with open(target, "w") as file:
        file.writelines(line + "\n" for line in Writer(frozen, known).lines())


if __name__ == "__main__":
    main()
