# Its Cortex-M33 cores.
set(PICO_PLATFORM "rp2350")
