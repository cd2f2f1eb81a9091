"""What each event changes: a file for each subject that has a life of its own.

Comes in: an event and the state. Goes out: changes of the state, and commands.
Thread: the core thread.
"""
