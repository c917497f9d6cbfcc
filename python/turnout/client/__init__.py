"""Clients of a running server, without TensorFlow: REST and gRPC, sync and async."""
