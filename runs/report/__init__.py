"""What people read of a run: `report`, made of a `page`, its pictures and its `methods`.

The reports of studies and of the laboratory are made of the same; the browser draws the same
`network`. `moments` notes the network while a run is made.
"""
