"""Drivers: the loops that call mappers and reducers record by record, and handle their errors.

Comes in: record batches. Goes out: pairs to a sink; an AttemptError.
Thread: the worker's main thread.
"""
