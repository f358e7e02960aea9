//! Changes of objects: merge, strategic and JSON patches, server-side apply and who owns what.
