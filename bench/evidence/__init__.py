"""Do the statistics keep their promises? Seeded simulations behind docs/evidence.md: `make evidence`.

In bench because it is a measurement that writes a page, like the others; nothing here is imported by the program.
`worlds` makes calls, `judges` and `rivals` look at them after every one, `power` counts sandboxes until a decision,
`page` writes what came out.
"""
