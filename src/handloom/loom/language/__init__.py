"""The language that kernels are written in: Python whose operators emit LLVM."""
