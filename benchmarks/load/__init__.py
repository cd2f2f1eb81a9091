"""Load on a real JobTracker: many TaskTrackers, played in one process, over real HTTP."""
