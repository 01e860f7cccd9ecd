"""Runs .pkt scripts from anywhere on the unix target:

    python tests/unix/pkt/run.py [--loose] FILE ...

--loose is for scripts made for Linux: PSH and the options of SYNs, which follow its settings, are
not compared, several segments may stand for a longer one, and what is sent last need not be
expected."""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
import inside  # noqa: E402
import script  # noqa: E402


def run(path, loose=False):
    """Run a script; returns whether it has passed and what there is to say."""
    try:
        parsed = script.Script(path.read_text(), path.name)
    except script.ScriptError as error:
        return False, str(error)
    parsed.options["loose"] = loose
    with tempfile.NamedTemporaryFile("w", suffix=".py") as made:
        made.write(script.program(parsed))
        made.flush()
        output = inside.run_unix(pathlib.Path(made.name), inside.ROOT / "build")
    closing = inside.CLOSING.findall(output)
    return bool(closing) and not closing[-1][1], "\n".join(parsed.notes + [output.rstrip()])


def main(names):
    loose = "--loose" in names
    results = [(name, run(pathlib.Path(name), loose)) for name in names if name != "--loose"]
    for name, (passed, text) in results:
        print("%s %s\n%s" % ("PASS" if passed else "FAIL", name, text))
    passed = sum(1 for _, result in results if result[0])
    print("%d of %d passed" % (passed, len(results)))
    return passed < len(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
