"""From a model file or a fitted object to a version in a repository: converted, compared, tried out, published."""
