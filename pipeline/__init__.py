"""The shell: Faust app and transport, engine, replay, commands. The only folder that does I/O or asks for the time."""
