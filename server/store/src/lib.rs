//! The only SQL: objects, queue, steps, observations and events on SQLite or Postgres.
