//! The first administrator's token: made on the first start, put into a file that only its owner may read, never printed.

use super::parts::Parts;
use crate::failure::Failure;
use crate::files;
use app::error::AppError;
use app::identity::{self, NewToken};
use model::person::{Principal, Role};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FILE: &str = "admin-token";

/// Where the administrator's token is; none when its file was taken away, as it may be.
pub(crate) async fn token(parts: &Parts, data: &Path, another: bool) -> Result<Option<PathBuf>, Failure> {
    let path = data.join(FILE);
    // Written under another name first: a folder that cannot be written is found before the token is made, which
    // happens once and is shown once.
    let temporary = data.join(format!("{FILE}.new"));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Failure::file(&temporary)(error)),
        _ => {}
    }
    files::write_private(&temporary, "")?;
    let made = if another { Some(additional(parts).await?) } else { first(parts).await? };
    let Some(token) = made else {
        std::fs::remove_file(&temporary).map_err(Failure::file(&temporary))?;
        return Ok(path.is_file().then_some(path));
    };
    files::fill(&temporary, &format!("{token}\n"))?;
    std::fs::rename(&temporary, &path).map_err(Failure::file(&path))?;
    Ok(Some(path))
}

async fn first(parts: &Parts) -> Result<Option<String>, Failure> {
    identity::bootstrap(parts.store.as_ref(), parts.entropy.as_ref(), parts.clock.as_ref()).await.map_err(failed)
}

/// Whoever may start the server on this folder may read all of it, so this gives no right that was not there.
async fn additional(parts: &Parts) -> Result<String, Failure> {
    let owner = Principal { name: "admin".to_owned(), role: Some(Role::Administrator), groups: BTreeSet::new() };
    // Before any other, so that the first start stays the first start.
    if let Some(token) = first(parts).await? {
        return Ok(token);
    }
    let new = NewToken { name: owner.name.clone(), role: Role::Administrator, groups: BTreeSet::new(), expires_ms: None };
    let made = identity::create(parts.store.as_ref(), parts.entropy.as_ref(), parts.clock.as_ref(), &owner, None, new).await;
    made.map(|(_, token)| token).map_err(failed)
}

fn failed(error: AppError) -> Failure {
    Failure::Server(format!("the administrator's token cannot be made: {error}"))
}
