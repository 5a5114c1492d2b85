"""A simulated city: centres with stories, a month of their records and registers, seeded."""
