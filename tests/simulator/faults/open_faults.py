"""Seeds whose histories break a promise, and that nobody has mended yet."""

from __future__ import annotations

OPEN = {
    ("mixed", 3604): "a tick begins a backup, and then ends the attempt that it was to back up",
    ("silent", 3741): "a TaskTracker is lost when the world ends, and its slots are left",
    ("silent", 4833): "a TaskTracker is lost when the world ends, and its slots are left",
}
