"""The measurement model: arrays in, arrays out. No I/O, no clock, chance only through an explicit rng."""
