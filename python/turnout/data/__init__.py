"""Values on their way in and out: arrays, files of rows, predictions, and the signature that they fit."""
