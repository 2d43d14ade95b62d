"""From LLVM to the processor: compiling, keeping what was compiled, threads."""
