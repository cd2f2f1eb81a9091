"""The JobTracker: it answers Mesos' offers, and decides which task runs where.

`core` is pure: events come in, and commands go out. It has no I/O, threads or clocks. `service` and
the other folders are the shell around it: HTTP, Mesos, storage.
"""
