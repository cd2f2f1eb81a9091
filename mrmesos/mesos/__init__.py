"""The two drivers of pymesos, with their bugs fixed.

The rest of mrmesos talks to Mesos only through this room, and never sees pymesos itself.
This room does not know MapReduce.
"""
