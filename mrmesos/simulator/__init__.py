"""Thousands of agents and days of jobs in minutes: the production core on a virtual clock.

The unchanged core (`jobtracker.core.jobtracker`) decides. This room plays Mesos, TaskTrackers,
storage and users around it, from one seed. `faults` proves the same core in small worlds where much
goes wrong. docs/simulator-design.md says what the model contains and what it leaves out.
"""
