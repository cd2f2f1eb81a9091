"""The web pages of the JobTracker, and its metrics: who gets in, what is shown, and live updates.

Comes in: requests of browsers. Goes out: pages. Thread: the server's event loop. It asks the core
for small pieces only. The folder `views` decides what a page shows.
"""
