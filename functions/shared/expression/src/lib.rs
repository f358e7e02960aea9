//! Expressions in pipeline JSON: `${parameters.x}`, `${#stage('Deploy').status == 'SUCCEEDED' ? 1 : 2}` and the rest of what
//! Spinnaker's users write.
//!
//! Pure: a template, a scope and a host in, a value or an error with its place out; no clock, no chance, no network but what the
//! host gives. Never silent: what cannot be evaluated is an error, not the text itself. Never out of reach: every bound of
//! [`limits`] that is passed is an error too, and nothing in an expression sets, loads or calls what is not in the tables of
//! [`mod@reference`].

mod ast;
mod base64;
mod compare;
mod convert;
mod document;
mod error;
mod eval;
mod explain;
mod functions;
mod hashing;
mod host;
mod lex;
pub mod limits;
mod machine;
mod md5;
mod methods;
mod number;
mod parse;
mod printf;
pub mod reference;
mod regexes;
mod stages;
mod suggest;
mod template;
mod time;
mod types;
mod unicode;
mod value;

pub use document::{condition, condition_with, evaluate, evaluate_with, has_expression, resolve, resolve_with};
pub use error::{Error, Located, Span};
pub use explain::{Explanation, Line, explain};
pub use host::{Host, Nothing, Refusal, Scope};
pub use reference::REASONS;
pub use template::Template;
