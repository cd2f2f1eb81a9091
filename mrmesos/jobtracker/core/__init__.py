"""The pure core: events come in, each with its time; commands go out.

Everything below this folder is pure: no threads, sockets, clocks, files or chance (test_purity).
Thread: the core thread owns it (`jobtracker.core_thread`).
"""
