"""Finds `mrmesos.toml`, and joins it with the environment and the command line.

In: files, variables, options. Out: a Configuration. Thread: main. Commands import it when they run;
without a file it reads nothing and imports no parser.
"""
