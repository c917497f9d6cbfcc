"""Recorded calls, sent to a server again, and their answers compared with those of the record."""
