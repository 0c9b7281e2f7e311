//! Settings: built-in defaults, then a TOML file, then `VAXEL_…` from the environment. Errors name file, line and column.
