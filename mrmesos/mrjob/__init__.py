"""mrjob's jobs in our workers, without pipes: the mapper, combiner and reducer of each step.

In: an MRJob class of a script. Out: a Job for each step, whose tasks call the class. mrjob is an
optional extra. It is imported only if a script imports it. Tasks run in workers.
"""
