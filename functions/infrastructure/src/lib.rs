//! infrastructure.
