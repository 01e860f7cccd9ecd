# A package's own tests, which import unittest: own_tests.py MODULE ...

import sys
import unittest


def cases(module):
    for name in dir(module):
        case = getattr(module, name)
        if isinstance(case, type) and issubclass(case, unittest.TestCase):
            yield case


for name in sys.argv[1:]:
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    suite = unittest.TestSuite()
    for case in cases(module):
        if hasattr(case, "setUpClass"):  # which this unittest does not call
            case.setUpClass()
        suite.addTest(case)
    print("==", name)
    unittest.TestRunner().run(suite)
