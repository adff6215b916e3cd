// The bits of a score without its sign: they order as the scores' magnitudes do.
const UNSIGNED = 0x7fffffffu;
