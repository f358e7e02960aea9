//! Tells the story: numbered steps, what was asked and what came of it.

use crate::api::Api;
use crate::failure::Failure;
use crate::out::Out;
use std::time::Instant;

/// How far what belongs to a step is moved to the right.
const MARGIN: usize = 3;

/// Where the story is told, and where it is.
pub(crate) struct Teller {
    pub(crate) out: Out,
    number: usize,
    title: String,
    begun: Instant,
    /// The last thing asked for, to say where it broke.
    address: String,
}

impl Teller {
    pub(crate) fn new(out: Out) -> Self {
        Self { out, number: 0, title: String::new(), begun: Instant::now(), address: String::new() }
    }

    /// The next step begins.
    pub(crate) fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.number += 1;
        title.clone_into(&mut self.title);
        let at = self.begun.elapsed().as_millis();
        self.out.set_margin(0);
        self.out.line(&format!("\n{}. {title}  [{}.{} s]", self.number, at / 1_000, at % 1_000 / 100))?;
        self.out.set_margin(MARGIN);
        Ok(())
    }

    /// Something is asked for.
    pub(crate) fn asks(&mut self, method: &str, api: &Api, path: &[&str]) -> Result<(), Failure> {
        self.asks_at(method, api.url(path).as_str())
    }

    /// Something is asked for elsewhere.
    pub(crate) fn asks_at(&mut self, method: &str, address: &str) -> Result<(), Failure> {
        self.address = format!("{method} {address}");
        self.out.line(&self.address)
    }

    /// What came of it.
    pub(crate) fn says(&mut self, text: &str) -> Result<(), Failure> {
        self.out.line(text.trim_end())
    }

    /// The step broke.
    pub(crate) fn broke(&mut self, failure: &Failure, log: &str) -> Result<(), Failure> {
        self.out.set_margin(0);
        let why =
            Some(failure.to_string()).filter(|why| !why.is_empty()).unwrap_or_else(|| "it did not end well, as told above".to_owned());
        self.out.line(&format!("\nStep {} broke: {}\n  why: {why}", self.number, self.title))?;
        self.out.line(&format!("  last asked: {}\n  where to look: {log}", self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_broken_step_says_which_why_and_where_to_look() {
        let kept = Kept::default();
        let mut teller = Teller::new(Out::into(Box::new(kept.clone()), false));
        teller.step("the cluster").unwrap();
        teller.asks("POST", &Api::new("http://127.0.0.1:1", None).unwrap(), &["api", "accounts", "cloud"]).unwrap();
        teller.broke(&Failure::Server("it is not reachable".to_owned()), "serve.log").unwrap();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        for part in [
            "1. the cluster",
            "Step 1 broke: the cluster",
            "it is not reachable",
            "POST http://127.0.0.1:1/api/accounts/cloud",
            "serve.log",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
    }
}
