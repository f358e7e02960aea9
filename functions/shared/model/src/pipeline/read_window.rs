//! Reads the execution window of a stage. A window that is switched off is not looked at: forms leave unfinished ones behind.

use super::read::{Object, number, truthy};
use super::window::{ExecutionWindow, JITTER_S_MAX, Jitter, RANGES_MAX, Range};
use crate::problem::Problems;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const WINDOW: &str = "restrictedExecutionWindow";

pub(super) fn window(stage: &Object, pointer: &str, problems: &mut Problems) -> Option<ExecutionWindow> {
    if !stage.get("restrictExecutionDuringTimeWindow").is_some_and(truthy) {
        return None;
    }
    let pointer = format!("{pointer}/{WINDOW}");
    let empty = Map::new();
    let object = match stage.get(WINDOW) {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(object)) => object,
        Some(_) => {
            problems.error(pointer, "not-an-object", format!("`{WINDOW}` is an object with `whitelist` and `days`"));
            return None;
        }
    };
    let whitelist = list(object, "whitelist", &pointer, problems);
    let days = list(object, "days", &pointer, problems);
    if whitelist.is_some_and(<[_]>::is_empty) && days.is_some_and(<[_]>::is_empty) {
        problems.warning(&pointer, "window-empty", "the stage is restricted to a window without times and days, which is always open");
    }
    Some(ExecutionWindow {
        whitelist: ranges(whitelist.unwrap_or_default(), &pointer, problems),
        days: weekdays(days.unwrap_or_default(), &pointer, problems),
        jitter: jitter(object, &pointer, problems),
    })
}

fn list<'a>(object: &'a Object, key: &str, pointer: &str, problems: &mut Problems) -> Option<&'a [Value]> {
    match object.get(key) {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::Array(list)) => Some(list),
        Some(_) => {
            problems.error(format!("{pointer}/{key}"), "not-a-list", format!("`{key}` is a list"));
            None
        }
    }
}

fn ranges(values: &[Value], pointer: &str, problems: &mut Problems) -> Vec<Range> {
    let pointer = format!("{pointer}/whitelist");
    if values.len() > RANGES_MAX {
        problems.error(pointer, "too-many-ranges", format!("at most {RANGES_MAX} ranges, here {}", values.len()));
        return Vec::new();
    }
    let mut found = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        let pointer = format!("{pointer}/{i}");
        let Some(object) = value.as_object() else {
            problems.error(pointer, "not-an-object", "a range is an object with `startHour`, `startMin`, `endHour`, `endMin`");
            continue;
        };
        let start_min_of_day = minute_of_day(object, ["startHour", "startMin"], &pointer, problems);
        let end_min_of_day = minute_of_day(object, ["endHour", "endMin"], &pointer, problems);
        found.push(Range { start_min_of_day, end_min_of_day });
    }
    found
}

/// A part that is not given is 0.
fn minute_of_day(object: &Object, [hour, minute]: [&str; 2], pointer: &str, problems: &mut Problems) -> u16 {
    let mut part = |key: &str, code: &str, end: u16| {
        let found = number(object, key, pointer, problems)?;
        let found = u16::try_from(found).ok().filter(|n| *n < end);
        if found.is_none() {
            problems.error(format!("{pointer}/{key}"), code, format!("`{key}` is from 0 to {}", end - 1));
        }
        found
    };
    let hour = part(hour, "hour-invalid", 24).unwrap_or_default();
    hour * 60 + part(minute, "minute-invalid", 60).unwrap_or_default()
}

fn weekdays(values: &[Value], pointer: &str, problems: &mut Problems) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    for (i, value) in values.iter().enumerate() {
        let number = value.as_u64().or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
        match number.and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=7).contains(n)) {
            Some(day) => {
                found.insert(day);
            }
            None => problems.error(format!("{pointer}/days/{i}"), "day-invalid", "a day is from 1 (Sunday) to 7 (Saturday)"),
        }
    }
    found
}

fn jitter(object: &Object, pointer: &str, problems: &mut Problems) -> Option<Jitter> {
    let pointer = format!("{pointer}/jitter");
    let jitter = match object.get("jitter") {
        None | Some(Value::Null) => return None,
        Some(Value::Object(jitter)) => jitter,
        Some(_) => {
            problems.error(pointer, "not-an-object", "`jitter` is an object with `enabled`, `minDelay`, `maxDelay`");
            return None;
        }
    };
    if !jitter.get("enabled").is_some_and(truthy) {
        return None;
    }
    let min_delay_s = number(jitter, "minDelay", &pointer, problems).unwrap_or_default();
    let max_delay_s = number(jitter, "maxDelay", &pointer, problems)?;
    if max_delay_s > JITTER_S_MAX {
        problems.error(format!("{pointer}/maxDelay"), "jitter-too-long", format!("at most {JITTER_S_MAX} s"));
    }
    if min_delay_s > max_delay_s {
        let message = format!("`minDelay` {min_delay_s} is above `maxDelay` {max_delay_s}");
        problems.error(format!("{pointer}/minDelay"), "jitter-invalid", message);
    }
    let skip_manual = jitter.get("skipManual").is_some_and(truthy);
    Some(Jitter { skip_manual, min_delay_s, max_delay_s }).filter(|j| j.max_delay_s > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;
    use serde_json::json;

    fn document(window: &Value) -> Value {
        let stage = json!({"refId": "1", "type": "wait", "restrictExecutionDuringTimeWindow": true, "restrictedExecutionWindow": window});
        json!({"application": "a", "name": "p", "stages": [stage]})
    }

    fn parsed(window: &Value) -> ExecutionWindow {
        let (pipeline, warnings) = Pipeline::parse(&document(window)).unwrap();
        assert_eq!(warnings, vec![], "{window}");
        pipeline.stages[0].window.clone().unwrap()
    }

    #[track_caller]
    fn refused(window: &Value, place: &str, code: &str) {
        let pointer = format!("/stages/0/restrictedExecutionWindow{place}");
        let errors = Pipeline::parse(&document(window)).unwrap_err();
        let found: Vec<_> = errors.iter().map(|p| (p.pointer.as_str(), p.code.as_str())).collect();
        assert_eq!(found, [(pointer.as_str(), code)], "{window}");
    }

    #[test]
    fn numbers_may_be_text() {
        let window = json!({
            "whitelist": [{"startHour": "22", "startMin": 30, "endHour": 2, "endMin": "5"}, {"startHour": 9, "endHour": 17}],
            "days": [1, "7", 7],
            "jitter": {"enabled": "true", "skipManual": true, "minDelay": "10", "maxDelay": 600}
        });
        let range = |start_min_of_day, end_min_of_day| Range { start_min_of_day, end_min_of_day };
        let expected = ExecutionWindow {
            whitelist: vec![range(22 * 60 + 30, 2 * 60 + 5), range(9 * 60, 17 * 60)],
            days: [1, 7].into(),
            jitter: Some(Jitter { skip_manual: true, min_delay_s: 10, max_delay_s: 600 }),
        };
        assert_eq!(parsed(&window), expected);
    }

    #[test]
    fn what_is_switched_off_is_not_looked_at() {
        for flag in [Value::Null, json!(false), json!("false")] {
            let mut document = document(&json!({"whitelist": 7, "days": [9]}));
            document["stages"][0]["restrictExecutionDuringTimeWindow"] = flag;
            let (pipeline, warnings) = Pipeline::parse(&document).unwrap();
            assert_eq!((&pipeline.stages[0].window, warnings), (&None, vec![]));
        }
        for jitter in
            [json!(null), json!({"minDelay": 9, "maxDelay": 3}), json!({"enabled": true, "maxDelay": 0}), json!({"enabled": true})]
        {
            assert_eq!(parsed(&json!({"days": [2], "jitter": jitter})).jitter, None, "{jitter}");
        }
    }

    // Rule 2.7: No days is every day; days without times are whole days
    #[test]
    fn a_window_that_restricts_nothing_is_told() {
        for window in [Value::Null, json!({}), json!({"whitelist": [], "days": null})] {
            let (pipeline, warnings) = Pipeline::parse(&document(&window)).unwrap();
            assert_eq!(pipeline.stages[0].window, Some(ExecutionWindow::default()));
            assert_eq!((warnings[0].pointer.as_str(), warnings[0].code.as_str()), ("/stages/0/restrictedExecutionWindow", "window-empty"));
        }
    }

    #[test]
    fn everything_wrong_is_refused_with_its_place() {
        refused(&json!([]), "", "not-an-object");
        refused(&json!({"whitelist": {}, "days": []}), "/whitelist", "not-a-list");
        refused(&json!({"whitelist": [], "days": 3}), "/days", "not-a-list");
        refused(&json!({"whitelist": [7]}), "/whitelist/0", "not-an-object");
        refused(&json!({"whitelist": [{"startHour": 1}, {"startHour": 24}]}), "/whitelist/1/startHour", "hour-invalid");
        refused(&json!({"whitelist": [{"endHour": "24"}]}), "/whitelist/0/endHour", "hour-invalid");
        refused(&json!({"whitelist": [{"startMin": 60}]}), "/whitelist/0/startMin", "minute-invalid");
        refused(&json!({"whitelist": [{"endMin": 4_294_967_296_u64}]}), "/whitelist/0/endMin", "minute-invalid");
        refused(&json!({"whitelist": [{"startHour": -1}]}), "/whitelist/0/startHour", "not-a-number");
        refused(&json!({"whitelist": [{"startHour": "nine"}]}), "/whitelist/0/startHour", "not-a-number");
        refused(&json!({"whitelist": vec![json!({}); RANGES_MAX + 1]}), "/whitelist", "too-many-ranges");
        for day in [json!(0), json!(8), json!("8"), json!(-1), json!(1.5), json!("Monday"), json!(null)] {
            refused(&json!({"days": [1, day]}), "/days/1", "day-invalid");
        }
    }

    #[test]
    fn jitter_is_checked_too() {
        let with = |jitter: Value| json!({"days": [1], "jitter": jitter});
        refused(&with(json!(5)), "/jitter", "not-an-object");
        refused(&with(json!({"enabled": true, "minDelay": 6, "maxDelay": 5})), "/jitter/minDelay", "jitter-invalid");
        refused(&with(json!({"enabled": true, "minDelay": 1, "maxDelay": 0})), "/jitter/minDelay", "jitter-invalid");
        refused(&with(json!({"enabled": true, "minDelay": -1, "maxDelay": 5})), "/jitter/minDelay", "not-a-number");
        refused(&with(json!({"enabled": true, "maxDelay": "-5"})), "/jitter/maxDelay", "not-a-number");
        refused(&with(json!({"enabled": true, "maxDelay": JITTER_S_MAX + 1})), "/jitter/maxDelay", "jitter-too-long");
    }

    #[test]
    fn one_mistake_hides_no_other() {
        let window = json!({"whitelist": {}, "days": [0], "jitter": {"enabled": true, "minDelay": 2, "maxDelay": 1}});
        let codes: Vec<_> = Pipeline::parse(&document(&window)).unwrap_err().into_iter().map(|p| p.code).collect();
        assert_eq!(codes, ["not-a-list", "day-invalid", "jitter-invalid"]);
    }
}
