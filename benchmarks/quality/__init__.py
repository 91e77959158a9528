"""How good the recommended max_lr is: points of held-out score lost against the best rate of a grid.

`tasks` are trained at every rate of a grid once (`oracle`); `methods` answer from sweeps that `measuring` keeps, so
that a stopped run goes on and a changed rule costs nothing; `packages` asks other finders themselves; `report` draws
the tables. `make quality` runs it all.
"""
