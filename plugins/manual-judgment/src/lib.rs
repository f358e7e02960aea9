//! manual-judgment.
