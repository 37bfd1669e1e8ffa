"""What people read of a run (`report`) or of a study (`study_report`).

Both are made of a `page` and its pictures; the browser draws the same `network` and
counts the same `cascade`.
"""
