"""The implementations that are compared, one module each; whoever adds a file here takes part.

A peer runs as a program of its own, `python -m benchmarks.peers NAME`, under any Python that has
NumPy and the peer's library: it imports those two and `benchmarks.job`, nothing else. It has

    TITLE                          the name of its row
    TASKS                          {"train": …, "predict": …}: from a Job to a Runner. Whoever has
                                   "product" or "triad" measures the machine's limits, too.
    rows(task, layers, threads)    optional: its configurations, of which the quickest of each kind
                                   takes part. Without it there is one, on all threads.
    RELU_ONLY = True               optional: it takes ReLU in place of LeakyReLU
"""
