"""`hydria` whose changes write no history: only to measure what the history costs."""

from hydria.store import generations

generations.record = lambda transaction, bumps: None  # type: ignore[attr-defined]

if __name__ == "__main__":
    from hydria.cli import main

    main()
