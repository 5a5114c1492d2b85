"""The world: camera, model runtime, database, broker, machine. One file each."""
