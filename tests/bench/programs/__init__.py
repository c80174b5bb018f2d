"""What runs in the client processes: `python -m bench.programs.NAME`.

Each prints a line of JSON for each pass, with figures by name. Two environments run these, ours and
the peers': at module level they import the standard library and `bench.programs.usage` alone.
"""
