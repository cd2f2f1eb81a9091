"""The version of Hadoop whose command line this is."""

HADOOP_VERSION = "3.4.1"
