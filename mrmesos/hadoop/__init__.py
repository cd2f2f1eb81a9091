"""The `hadoop` command for programs that expect one: mrjob, luigi, shell scripts.

Comes in: Hadoop's command lines. Goes out: jobs on mrmesos, files on any store, and the texts and
exit codes that such programs expect. `home` writes the folder that HADOOP_HOME names.
"""
