//! HTTP as an API server speaks it.
