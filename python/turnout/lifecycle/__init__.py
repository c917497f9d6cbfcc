"""Which versions are loaded and which one serves: decisions as pure functions, one manager that carries them out."""
