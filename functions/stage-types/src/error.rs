//! Why a component is not taken in.

/// Split by who can do something about it.
#[derive(Debug, thiserror::Error)]
pub enum VetError {
    /// The file cannot be a component: empty, a core module, something else.
    #[error("{file}: {why}")]
    NotAComponent {
        /// Which file.
        file: String,
        /// What it is instead.
        why: String,
    },
    /// It imports or exports what the contract does not have, or lacks what every stage type exports.
    #[error("{file}: {why}")]
    World {
        /// Which file.
        file: String,
        /// What, by name.
        why: String,
    },
    /// The compiler refuses it: broken, or it uses a proposal that is switched off.
    #[error("{file}: it cannot be compiled: {why}")]
    Compile {
        /// Which file.
        file: String,
        /// In the compiler's words.
        why: String,
    },
    /// It cannot say what it is, or says something else each time.
    #[error("{file}: {why}")]
    Describe {
        /// Which file.
        file: String,
        /// What went wrong.
        why: String,
    },
    /// Its manifest is not one, with the place of each fault.
    #[error("{file}: the manifest is refused: {}", .faults.join("; "))]
    Manifest {
        /// Which file.
        file: String,
        /// `pointer: message`, one a fault.
        faults: Vec<String>,
    },
    /// Two components are called the same.
    #[error("two stage types are called {0:?}")]
    NameTwice(String),
    /// Files cannot be read or written.
    #[error("{file}: {why}")]
    Io {
        /// Which file.
        file: String,
        /// In the system's words.
        why: String,
    },
    /// The engine does not start on this machine.
    #[error("{0}")]
    Engine(#[from] stage_host::HostError),
}
