//! Why something stands where it stands, with what of the reason's data a person needs.

use super::{number, text, word};
use crate::time;
use serde_json::Value;

/// The reason's code; empty when there is none.
pub(crate) fn code(value: &Value) -> String {
    value.get("reason").and_then(|reason| reason.get("code")).map(word).unwrap_or_default()
}

/// `code: message` of a reason; empty when there is none.
pub(crate) fn reason(value: &Value) -> String {
    match value.get("reason") {
        Some(reason) if reason.is_object() => format!("{}: {}{}", code(value), text(reason, "message"), data(&code(value), reason)),
        _ => String::new(),
    }
}

/// What the message leaves to the data: instants, in the time zone that counts, and places.
fn data(code: &str, reason: &Value) -> String {
    let Some(data) = reason.get("data") else { return String::new() };
    match code {
        "execution-window" | "window-jitter" => {
            number(data, "until").map(|until| format!(", until {}", time::instant_in(until, text(data, "timeZone")))).unwrap_or_default()
        }
        "waiting-for-slot" => number(data, "position").map(|place| format!(" (place {place} when it came)")).unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(code: &str, data: &Value) -> String {
        reason(&json!({"reason": {"code": code, "message": "waits", "data": data}}))
    }

    #[test]
    fn what_is_waited_for_is_said_in_full() {
        let window = json!({"until": 1_700_000_000_000_i64, "timeZone": "Asia/Shanghai", "timeZoneOf": "pipeline"});
        assert_eq!(said("execution-window", &window), "execution-window: waits, until 2023-11-15 06:13:20 Asia/Shanghai");
        assert_eq!(said("waiting-for-slot", &json!({"position": 2, "limit": 1})), "waiting-for-slot: waits (place 2 when it came)");
        assert_eq!(said("superseded", &json!({"by": "x"})), "superseded: waits");
        assert_eq!(reason(&json!({"reason": null})), "");
    }
}
