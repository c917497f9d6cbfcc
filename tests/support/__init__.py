"""What several tests need: real servers, real clients, small models."""
