//! The black-box tests' own crate: they know Waybill by its HTTP API, its programs and its files, never by its code.
//!
//! `architecture/` reads the checkout itself: who depends on whom, and the habits no compiler checks.
