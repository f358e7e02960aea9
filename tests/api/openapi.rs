//! The API as it describes itself: the document holds no loose ends, and the server does what the document says, which
//! schemathesis finds out by trying.
