//! Reading and writing checkpoints: JSON under a schema number, 64 KiB at most.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{Blame, Checkpoint, Failure, StepInput};

/// What the contract allows.
pub const CHECKPOINT_BYTES_MAX: usize = 64 * 1024;

/// The checkpoint this step was given, `None` when nothing was committed yet.
///
/// # Errors
/// `checkpoint-unknown-schema` when another version of the plugin wrote it, `checkpoint-unreadable` when it is not what
/// this plugin writes. Both are final: guessing at state could repeat or skip an effect.
pub fn read<T: DeserializeOwned>(input: &StepInput, schema: u32) -> Result<Option<T>, Failure> {
    let Some(checkpoint) = &input.checkpoint else {
        return Ok(None);
    };
    if checkpoint.schema != schema {
        let found = checkpoint.schema;
        return Err(Failure::new(
            "checkpoint-unknown-schema",
            Blame::Plugin,
            format!("the checkpoint has schema {found}; this version reads schema {schema}"),
        ));
    }
    serde_json::from_str(&checkpoint.data)
        .map(Some)
        .map_err(|error| Failure::new("checkpoint-unreadable", Blame::Plugin, error.to_string()))
}

/// The checkpoint for a state.
///
/// # Errors
/// `checkpoint-too-large` when the state does not fit.
pub fn write<T: Serialize>(schema: u32, state: &T) -> Result<Checkpoint, Failure> {
    let data = serde_json::to_string(state).map_err(|error| Failure::new("checkpoint-unwritable", Blame::Plugin, error.to_string()))?;
    if data.len() > CHECKPOINT_BYTES_MAX {
        let bytes = data.len();
        return Err(Failure::new(
            "checkpoint-too-large",
            Blame::Plugin,
            format!("the stage's state has {bytes} bytes; {CHECKPOINT_BYTES_MAX} are allowed"),
        ));
    }
    Ok(Checkpoint { schema, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn input(schema: u32, data: &str) -> StepInput {
        let mut input = testing::start("{}");
        input.checkpoint = Some(Checkpoint { schema, data: data.into() });
        input
    }

    #[test]
    fn a_checkpoint_comes_back() {
        let written = write(3, &vec![1, 2]).unwrap();
        assert_eq!(read::<Vec<i32>>(&input(3, &written.data), 3).unwrap(), Some(vec![1, 2]));
        assert_eq!(read::<Vec<i32>>(&testing::start("{}"), 3).unwrap(), None);
    }

    #[test]
    fn garbage_unknown_schema_and_size_are_refused() {
        let code = |result: Result<Option<Vec<i32>>, Failure>| result.unwrap_err().code;
        assert_eq!(code(read(&input(3, "\u{0}{["), 3)), "checkpoint-unreadable");
        assert_eq!(code(read(&input(3, "{\"a\":1}"), 3)), "checkpoint-unreadable");
        assert_eq!(code(read(&input(4, "[]"), 3)), "checkpoint-unknown-schema");
        assert_eq!(write(1, &"x".repeat(CHECKPOINT_BYTES_MAX)).unwrap_err().code, "checkpoint-too-large");
    }
}
