//! Something that a waiting stage watches changed: it is called before its poll time.

use crate::event::Wake;
use crate::state::{Call, Execution, Phase};
use model::Millis;

pub(crate) fn apply(execution: &mut Execution, run: usize, attempt: u32, seq: u32, now: Millis) {
    let Some((current, live)) = execution.live_mut(run, attempt) else { return };
    if *current == seq && matches!(live.phase, Phase::Wait { .. }) {
        let call = if live.stopping.is_some() { Call::Cancel } else { Call::Step };
        *current += 1;
        live.phase = Phase::Step { call, wake: Wake::Poll, retry: 0, scheduled_ms: now };
    }
}

#[cfg(test)]
mod tests {
    use crate::on::testing::{apply, execution, step, stepping};
    use crate::{Effect, Event, Outcome, Wake, wanted};

    #[test]
    fn a_change_wakes_the_stage_once() {
        let waiting = step(&stepping(&execution(&[&[]])), 0, Outcome::Running { poll_after_ms: 60_000 });
        assert_eq!(wanted(&waiting), [Effect::Watch { run: 0, attempt: 1, seq: 0 }]);
        let woken = apply(&waiting, &Event::Changed { run: 0, attempt: 1, seq: 0 });
        assert!(matches!(wanted(&woken).as_slice(), [Effect::Step { seq: 1, wake: Wake::Poll, .. }]));
        assert_eq!(apply(&woken, &Event::Changed { run: 0, attempt: 1, seq: 0 }), woken, "late");
        assert_eq!(apply(&waiting, &Event::Changed { run: 0, attempt: 1, seq: 9 }), waiting, "of another step");
    }
}
