"""Many runs of one scenario: how they are planned, done, kept and counted.

A plan is a `study`, whose points its `design` makes; a `rule` with its `statistics`
says when enough seeds have run, `reductions` and `expression` what is kept and derived.
The `sweeper` gives its runs to `executors`, `worker` does them, `store` keeps them, and
a `report` shows them.
"""
