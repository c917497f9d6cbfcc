"""The command line: it parses and prints, and never decides. One file for each command."""
