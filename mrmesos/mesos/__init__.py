"""pymesos' two drivers, mended, and the arithmetic of Mesos resources.

The rest of mrmesos talks to Mesos only through this room and never sees pymesos itself.
It knows nothing of MapReduce.
"""
