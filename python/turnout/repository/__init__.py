"""The folder of models: its layout, what is on disk now, changes, publishing and pins."""
