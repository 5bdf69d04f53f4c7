"""How sure may one be? Sequential statistics that stay true however often one looks, updated in O(1) per call.

The unit is the sandbox: calls of one sandbox are alike, so `Units` makes one number of them. From units:
`Share` bounds a share (mismatches), `Average` a mean that may be negative, `Parity` the difference within pairs,
`Arms` the difference between sandboxes randomised to old and new, `Sign` whether one direction wins, `Latency` and
`BothWays` quantiles, `SampleRatio` and `Stickiness` whether the arms can be trusted, `Noise` which differences go
beyond old against itself. docs/evidence.md says what was simulated.
"""
