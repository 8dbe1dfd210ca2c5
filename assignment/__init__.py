"""Allocation: who works where, for how long, and why. Arrays in, arrays out; rows only, ids stay outside."""
