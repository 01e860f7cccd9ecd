# targets: unix (the emulated chip is a file of tests/hw)
# The W5100S's driver against the emulated chip.

import bench
import bench_spi  # noqa: F401 - it makes the chip's place known
import wiznet_tests
import w5100s
from netstack.nic.w5100s import W5100S

wiznet_tests.use(w5100s.W5100S, W5100S)
bench.run_tests(wiznet_tests.__dict__)
