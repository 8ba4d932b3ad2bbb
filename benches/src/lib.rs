//! Criterion benchmarks, each beside the floor it is held against.
