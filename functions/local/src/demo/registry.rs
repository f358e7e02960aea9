//! The control of the story's registry: it pushes images as a build would, and is told where pushes are told.

use super::teller::Teller;
use crate::api::{Api, Call};
use crate::failure::Failure;
use crate::views::text;
use serde_json::json;

/// A registry that can be told what to do.
pub(crate) struct Control {
    api: Api,
}

impl Control {
    pub(crate) fn new(address: &str) -> Result<Self, Failure> {
        Ok(Self { api: Api::new(address, None)? })
    }

    /// Has every push told to the hook from now on.
    pub(crate) async fn tell(&self, teller: &mut Teller, hook: &str) -> Result<(), Failure> {
        teller.asks("PUT", &self.api, &["notifications"])?;
        let body = json!({"url": hook, "headers": []});
        self.api.send(Call::put(&["notifications"], &body)).await.map(|_| ())
    }

    /// Pushes an image that no one pushed before, and gives its digest.
    pub(crate) async fn push(&self, teller: &mut Teller, repository: &str, tag: &str, content: &str) -> Result<String, Failure> {
        teller.asks("POST", &self.api, &["images"])?;
        let body = json!({"repository": repository, "tag": tag, "content": content});
        let answer = self.api.send(Call::post(&["images"], &body)).await?.body;
        teller.says(&format!("pushed {}  {}", text(&answer, "image"), text(&answer, "digest")))?;
        Ok(text(&answer, "digest").to_owned())
    }
}
