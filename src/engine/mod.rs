//! The switchboard: one thread, three verbs. Turns the events of one room into commands to another.
