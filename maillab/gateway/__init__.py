"""Doors between worlds and real sockets. The only package that may use real ones."""
