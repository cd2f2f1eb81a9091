"""What the core takes and gives: events, commands, and the records of the journal.

Plain structs. They import nothing of the core, so the shells may import them freely.
Thread: any; they are immutable.
"""
