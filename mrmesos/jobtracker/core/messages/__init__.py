"""The core's messages: events come in; commands and the journal's records go out.

Plain structs. They import nothing of the core, so the shells may import them freely.
Thread: any; they are immutable.
"""
