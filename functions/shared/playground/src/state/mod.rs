//! What is stored: objects by kind, namespace and name, their versions, and the history that watches read.
