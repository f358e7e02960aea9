//! Following: questions that the server holds until something changed. A server that is away for a while is waited for.

use super::{Api, Call};
use crate::failure::Failure;
use crate::out;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long the server holds a question.
const HOLD_S: u64 = 25;
const PAUSE: Duration = Duration::from_millis(500);

/// How long a server may be away before following it is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    max: Duration,
    since: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(max: Duration) -> Self {
        Self { max, since: None }
    }

    /// It answered.
    fn renew(&mut self) {
        self.since = None;
    }

    /// It did not: waits a little, or gives the failure back when it has lasted too long.
    async fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        let away = matches!(failure, Failure::Unreachable { .. }) || failure.status().is_some_and(|status| status >= 502);
        let since = *self.since.get_or_insert_with(|| {
            if away {
                out::note(&format!("{failure}; waiting for it"));
            }
            Instant::now()
        });
        if !away || since.elapsed() >= self.max {
            return Err(failure);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// One thing that is read again whenever it has a later version.
pub(crate) struct Held<'a> {
    api: &'a Api,
    path: Vec<&'a str>,
    version: Option<u64>,
    patience: Patience,
}

impl<'a> Held<'a> {
    pub(crate) fn new(api: &'a Api, path: &[&'a str], patience: Patience) -> Self {
        Self { api, path: path.to_vec(), version: None, patience }
    }

    /// The thing as it is: the first time at once, later when its version has risen or the hold is over.
    pub(crate) async fn next(&mut self) -> Result<Value, Failure> {
        loop {
            let hold = self.version.map(|_| HOLD_S);
            let call = Call::get(&self.path).query("after", self.version).query("hold", hold);
            match self.api.send(call).await {
                Ok(answer) => {
                    self.patience.renew();
                    self.version = answer.body.get("version").and_then(Value::as_u64).or(self.version);
                    return Ok(answer.body);
                }
                Err(failure) => self.patience.wait(failure).await?,
            }
        }
    }
}

/// Topics of which any change is worth a look.
pub(crate) struct Topics<'a> {
    api: &'a Api,
    topics: Vec<String>,
    /// As the server gave it; what it means is the server's.
    cursor: Option<String>,
    patience: Patience,
}

impl<'a> Topics<'a> {
    pub(crate) fn new(api: &'a Api, topics: Vec<String>, patience: Patience) -> Self {
        Self { api, topics, cursor: None, patience }
    }

    /// Returns when something may have changed since the last call: the first time at once, and also when the hold is over.
    /// Read what you look for after each return.
    pub(crate) async fn changed(&mut self) -> Result<(), Failure> {
        loop {
            let hold = self.cursor.as_ref().map(|_| HOLD_S);
            let mut call = Call::get(&["api", "changes"]).query("since", self.cursor.as_ref()).query("hold", hold);
            for topic in &self.topics {
                call = call.query("topic", Some(topic));
            }
            match self.api.send(call).await {
                Ok(answer) => {
                    self.patience.renew();
                    // Without a cursor nothing could be held, and asking again at once would never end.
                    let cursor = answer.body.get("cursor").and_then(Value::as_str).map(str::to_owned);
                    let not_understood = || Failure::NotUnderstood { url: self.api.base(), message: "changes without a cursor".to_owned() };
                    self.cursor = Some(cursor.ok_or_else(not_understood)?);
                    return Ok(());
                }
                Err(failure) => self.patience.wait(failure).await?,
            }
        }
    }
}
