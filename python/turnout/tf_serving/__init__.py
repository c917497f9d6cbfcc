"""TensorFlow Serving's configuration files: reading them, and saying in `turnout.toml` what they say."""
