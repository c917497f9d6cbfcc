"""The demonstration: real digits, real clients, a better version, a way back, and no request lost."""
