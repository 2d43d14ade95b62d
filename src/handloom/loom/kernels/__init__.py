"""Kernels: functions that emit the loops which compute."""
