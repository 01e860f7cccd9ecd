# targets: unix (the emulated chip is a file of tests/hw)
# The W5500's driver against the emulated chip.

import bench
import bench_spi  # noqa: F401 - it makes the chip's place known
import wiznet_tests
import w5500
from netstack.nic.w5500 import W5500

wiznet_tests.use(w5500.W5500, W5500)
bench.run_tests(wiznet_tests.__dict__)
