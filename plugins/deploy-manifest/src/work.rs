//! One step at work: its input, its host, and how much of the step's budget is spent.

use sdk::checkpoint;
use sdk::contract::{Checkpoint, Failure, Outcome, Progress, Running, StepInput};
use sdk::fields;
use sdk::host::Level;
use sdk::manifest;
use sdk::moniker::Moniker;
use serde_json::{Map, Value};

use crate::Host;
use crate::documents::{self, Documents};
use crate::settings::Settings;
use crate::state::{self, SCHEMA, State};

/// Calls to the cluster after which a step rests; the host allows a hundred, and some are made on the way.
pub(crate) const CALLS_MAX: usize = 80;

pub(crate) struct Work<'a, H> {
    pub(crate) input: &'a StepInput,
    pub(crate) host: &'a mut H,
    pub(crate) stage: Map<String, Value>,
    pub(crate) settings: Settings,
    pub(crate) state: State,
    pub(crate) documents: Option<Documents>,
    /// Calls to the cluster so far.
    pub(crate) calls: usize,
}

impl<'a, H: Host> Work<'a, H> {
    /// Reads parameters and checkpoint; without a checkpoint, nothing has been applied.
    pub(crate) fn new(input: &'a StepInput, host: &'a mut H) -> Result<Self, Failure> {
        let stage = fields::object(&input.params)?;
        let settings = Settings::of(&stage).map_err(|problems| manifest::failure(&problems))?;
        let found = checkpoint::read::<State>(input, SCHEMA)?.map(State::checked).transpose()?;
        let begins = found.is_none();
        let state = found.unwrap_or_default();
        let mut work = Self { input, host, stage, settings, state, documents: None, calls: 0 };
        if begins {
            let documents = work.prepare()?;
            work.state = State::of(&documents.objects)?;
            work.documents = Some(documents);
        }
        Ok(work)
    }

    /// The objects to apply, made once a step.
    pub(crate) fn take_documents(&mut self) -> Result<Documents, Failure> {
        let documents = match self.documents.take() {
            Some(documents) => documents,
            None => self.prepare()?,
        };
        if documents.objects.len() == self.state.objects.len() { Ok(documents) } else { Err(state::unreadable("it is of other manifests")) }
    }

    fn prepare(&mut self) -> Result<Documents, Failure> {
        documents::prepare(&self.stage, &self.settings, self.host)
    }

    pub(crate) fn moniker(&mut self) -> Moniker {
        Moniker::of(&self.stage, &self.host.info().application)
    }

    pub(crate) fn log(&mut self, message: &str) {
        self.host.log(Level::Info, message, &[]);
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        checkpoint::write(SCHEMA, &self.state)
    }

    /// Commits what was applied and comes back later, because of what the cluster said.
    pub(crate) fn pause(&self, after_ms: u32, why: &str) -> Result<Outcome, Failure> {
        let (done, all) = (self.state.applied, self.state.objects.len());
        let message = format!("{done} of {all} objects applied; {why}; goes on in {} s", after_ms.div_ceil(1_000));
        Ok(Outcome::Running(Running {
            poll_after_ms: after_ms,
            watch: Vec::new(),
            checkpoint: self.checkpoint()?,
            progress: Progress::message(message),
        }))
    }
}
