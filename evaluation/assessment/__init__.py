"""What a month is worth: pure, from slots and registers to figures, points and ranks.

```
records ▶ slots ▶ coverage ▶ estimate ▶ indicators ▶ points ▶ composite ▶ ranks
                                 registers ▶ ┘           scheme ▶ ┘    flags beside all of it
```
Nothing here reads a file or a clock. A figure that nobody could take is None, never 0.
"""
