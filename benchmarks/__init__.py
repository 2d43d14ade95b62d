"""Ours beside its peers, step by step: how long each takes, and what the machine allows.

    python -m benchmarks                    from the root of the repository; options: --help
    python -m benchmarks.time_to_accuracy   whole trainings, until a network has an accuracy

workloads    what is timed               contestants  who takes part, in which configurations
roofline     what the machine can do     contest      one workload: checked, then in turns
standing     what it comes to            peers/       the contestants' own programs

Handloom knows nothing of this package; the package knows Handloom by its imports.
"""
