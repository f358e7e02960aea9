//! The `waybill` command from outside: the client against a scripted server, and the server itself as a process.

mod client;
mod process;
mod serving;
mod stages;
