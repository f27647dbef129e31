"""What keeps an installation running: one small process that starts the others and brings back whichever dies.

`claim` refuses a second server, `supervisor` starts and watches, `server` is a process that answers requests. The
supervisor imports nothing but the standard library: it stays small, and nothing of the application can break it.
"""
