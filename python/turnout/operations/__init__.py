"""What an operator does with a repository or a server: look into it, check the machine, go back, try it out."""
