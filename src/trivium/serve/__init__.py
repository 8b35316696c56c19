"""The server: models behind an address. It keeps no state but that of the engines."""
