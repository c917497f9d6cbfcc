"""Models made callable: in this process, or by a server inside of it."""
