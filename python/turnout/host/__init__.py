"""What the machine and the installed libraries offer, and how a process behaves on it: cores, runtimes, logs, forks."""
