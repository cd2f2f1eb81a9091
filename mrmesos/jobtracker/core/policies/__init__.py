"""Rules and steps that several handlers share, such as when a lease ends and how an attempt starts.

Comes in: the State, and what a handler asks about. Goes out: answers, changed things, commands.
Pure; runs on the core's thread. A policy knows no handler.
"""
