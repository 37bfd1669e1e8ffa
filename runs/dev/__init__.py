"""For developers alone: nothing else imports these.

`bench` measures beside `peers`; `catalogue`, `controls` and `picture` make what docs show.
"""
