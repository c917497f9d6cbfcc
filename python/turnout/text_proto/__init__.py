"""Protobuf's text format: schemas of messages, reading them with lines and columns, and their bytes on the wire."""
