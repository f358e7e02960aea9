//! The client's commands. Each asks the server over HTTP and prints what it says; none decides anything. Two
//! speak to AWS instead, for whoever runs an installation there: `install` and `dead-letters`.

pub(crate) mod account;
pub(crate) mod application;
mod bring;
mod check;
pub(crate) mod dead_letters;
pub(crate) mod execution;
mod export;
pub(crate) mod expressions;
pub(crate) mod install;
pub(crate) mod order;
pub(crate) mod pipeline;
pub(crate) mod project;
pub(crate) mod secret;
mod start;
pub(crate) mod token;

use crate::api::Call;
use crate::failure::Failure;
use crate::session::{PageOptions, Session};
use serde_json::Value;

/// Shows one page of a list.
async fn show_page(session: &mut Session, path: &[&str], page: &PageOptions, view: fn(&Value) -> String) -> Result<(), Failure> {
    let call = Call::get(path).query("limit", Some(page.limit)).query("after", page.after.as_ref());
    let answer = session.api.send(call).await?;
    session.out.show(&answer.body, view)
}

/// Shows one thing.
async fn show_one(session: &mut Session, path: &[&str], view: fn(&Value) -> String) -> Result<(), Failure> {
    let answer = session.api.send(Call::get(path)).await?;
    session.out.show(&answer.body, view)
}

/// Removes one thing and says so.
async fn remove(session: &mut Session, path: &[&str], what: &str) -> Result<(), Failure> {
    session.api.send(Call::delete(path)).await?;
    session.out.event(&serde_json::json!({"removed": path.join("/")}), &format!("{what} is removed"))
}

/// `KEY=VALUE`, both with something in it.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it must be of the form KEY=VALUE".to_owned()),
    }
}

/// JSON, indented: for things whose shape is not ours.
fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
