//! release-orders.
