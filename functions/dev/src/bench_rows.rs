//! Both sides' figures as rows: median, 99th of a hundred, ratio, and whether the target is met. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A figure of each side.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    /// Median and 99th of a hundred.
    Spread(f64, f64),
    /// One number.
    One(f64),
}

/// How a row's ratio is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
}

/// What a row should show.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    /// The ratio is at least so much.
    Ratio(f64),
    /// The figure itself is at most so much.
    AtMost(f64),
    /// The figure itself is at least so much.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    name: &'static str,
    unit: &'static str,
    waybill: Option<Figure>,
    reference: Option<Figure>,
    better: Better,
    target: Option<Target>,
}

impl Row {
    fn new(name: &'static str, unit: &'static str, better: Better) -> Self {
        Self { name, unit, waybill: None, reference: None, better, target: None }
    }

    fn waybill(mut self, figure: Option<Figure>) -> Self {
        self.waybill = figure;
        self
    }

    fn reference(mut self, figure: Option<Figure>) -> Self {
        self.reference = figure;
        self
    }

    fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// How many times better, for each number of the figures.
    fn ratio(&self) -> Option<Figure> {
        let by = |ours: f64, theirs: f64| match self.better {
            Better::Less => theirs / ours,
            Better::More => ours / theirs,
        };
        match (self.waybill?, self.reference?) {
            (Figure::Spread(p50, p99), Figure::Spread(of_p50, of_p99)) => Some(Figure::Spread(by(p50, of_p50), by(p99, of_p99))),
            (Figure::One(ours), Figure::One(theirs)) => Some(Figure::One(by(ours, theirs))),
            _ => None,
        }
    }

    /// Whether the target is met, by the median; none without a target, or without what it is held against.
    fn met(&self) -> Option<bool> {
        let first = |figure| match figure {
            Figure::Spread(p50, _) => p50,
            Figure::One(one) => one,
        };
        match self.target? {
            Target::Ratio(least) => Some(first(self.ratio()?) >= least),
            Target::AtMost(most) => Some(first(self.waybill?) <= most),
            Target::AtLeast(least) => Some(first(self.waybill?) >= least),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let figure = |figure: Option<Figure>| match figure {
            Some(Figure::Spread(p50, p99)) => json!({"p50": p50, "p99": p99}),
            Some(Figure::One(one)) => json!(one),
            None => Value::Null,
        };
        json!({
            "name": self.name, "unit": self.unit, "waybill": figure(self.waybill), "reference": figure(self.reference),
            "ratio": figure(self.ratio()), "target": self.target.map(said), "met": self.met(),
        })
    }
}

fn said(target: Target) -> String {
    match target {
        Target::Ratio(least) => format!("{least} times better"),
        Target::AtMost(most) => format!("at most {most}"),
        Target::AtLeast(least) => format!("at least {least}"),
    }
}

fn spread(of: &Value, pointer: &str) -> Option<Figure> {
    let summary = of.pointer(pointer)?;
    Some(Figure::Spread(summary.get("p50")?.as_f64()?, summary.get("p99")?.as_f64()?))
}

fn one(of: &Value, pointer: &str) -> Option<Figure> {
    of.pointer(pointer)?.as_f64().map(Figure::One)
}

/// A spread over a number, the median's.
fn over(of: Option<Figure>, by: Option<Figure>) -> Option<Figure> {
    match (of?, by?) {
        (Figure::Spread(p50, p99), Figure::Spread(by_p50, by_p99)) => Some(Figure::Spread(p50 / by_p50, p99 / by_p99)),
        _ => None,
    }
}

/// The rows of a bench.
pub(crate) fn of(bench: &str, waybill: &Value, reference: &Value) -> Vec<Row> {
    let none = Value::Null;
    let ours = waybill.get("figures").unwrap_or(&none);
    let theirs = reference.pointer("/figures/measured").unwrap_or(&none);
    match bench {
        "chain" => chain(ours, theirs),
        "expressions" => expressions(ours, theirs),
        "throughput" => throughput(ours, theirs),
        "history" => history(ours, theirs),
        _ => fan(ours),
    }
}

fn chain(ours: &Value, theirs: &Value) -> Vec<Row> {
    let less = |name, unit| Row::new(name, unit, Better::Less);
    let (gap, alone) = (spread(ours, "/gapMs"), spread(ours, "/commitAloneMs"));
    vec![
        less("100 stages, whole", "ms").waybill(spread(ours, "/totalMs")).reference(spread(theirs, "/totalMs")).target(Target::Ratio(2.5)),
        less("from end to start", "ms").waybill(gap),
        less("  one commit of these bytes alone", "ms").waybill(alone),
        less("  gap over that commit", "x").waybill(over(gap, alone)).target(Target::AtMost(1.2)),
        less("  in it: commit", "ms").waybill(spread(ours, "/gapPartsMs/commit")),
        less("  in it: reads of the store", "ms").waybill(spread(ours, "/gapPartsMs/reads")),
        less("  in it: settings looked at", "ms").waybill(spread(ours, "/gapPartsMs/validate")),
        less("  in it: everything else", "ms").waybill(spread(ours, "/gapPartsMs/rest")),
        less("a step of the component", "ms").waybill(spread(ours, "/stepMs")),
        less("the reference's step, whole", "ms").reference(spread(theirs, "/stepMs")),
    ]
}

fn throughput(ours: &Value, theirs: &Value) -> Vec<Row> {
    let less = |name, unit| Row::new(name, unit, Better::Less);
    let more = |name, unit| Row::new(name, unit, Better::More);
    vec![
        more("stages a second", "/s")
            .waybill(one(ours, "/stagesASecond"))
            .reference(one(theirs, "/stepsASecond"))
            .target(Target::Ratio(3.0)),
        less("a run of 10 stages", "ms").waybill(spread(ours, "/runMs")).reference(spread(theirs, "/runMs")),
        less("CPU for 1,000 stages", "s").waybill(one(ours, "/cpuSPer1000Stages")).reference(one(theirs, "/cpuSPer1000Steps")),
        more("runs a sync", "").waybill(one(ours, "/runsPerSync")).reference(one(theirs, "/runsPerSync")),
        more("  of the store alone", "").waybill(runs_a_batch(ours)),
    ]
}

fn runs_a_batch(ours: &Value) -> Option<Figure> {
    let (runs, syncs) = (ours.get("runs")?.as_f64()?, ours.get("storeSyncs")?.as_f64()?);
    Some(Figure::One(runs / syncs.max(1.0)))
}

fn expressions(ours: &Value, theirs: &Value) -> Vec<Row> {
    let less = |name| Row::new(name, "ms", Better::Less);
    let more = |name| Row::new(name, "MB/s", Better::More);
    vec![
        less("120 expressions, parsed before")
            .waybill(spread(ours, "/waybill/reusedMs"))
            .reference(spread(theirs, "/reusedMs"))
            .target(Target::AtMost(1.0)),
        less("all texts, parsed each time").waybill(spread(ours, "/waybill/freshMs")).reference(spread(theirs, "/freshMs")),
        less("the document written anew with them").waybill(spread(ours, "/waybill/wholeMs")),
        more("reading text without expressions").waybill(one(ours, "/waybill/plainMBASecond")).target(Target::AtLeast(20.0)),
        more("reading expressions").waybill(one(ours, "/waybill/expressionsMBASecond")),
    ]
}

fn history(ours: &Value, theirs: &Value) -> Vec<Row> {
    let row = |name, unit, pointer: &str| {
        let figure = |of: &Value, pointer: &str| spread(of, pointer).or_else(|| one(of, pointer));
        Row::new(name, unit, Better::Less).waybill(figure(ours, &format!("/many{pointer}"))).reference(figure(theirs, pointer))
    };
    vec![
        Row::new("executions", "", Better::More).waybill(one(ours, "/executions")).reference(one(ours, "/few")),
        row("a page of a pipeline's list", "ms", "/pipelinePageMs"),
        row("  its 99th of a hundred", "ms", "/pipelinePageMs/p99").target(Target::AtMost(50.0)),
        row("a page of an application's list", "ms", "/applicationPageMs"),
        row("  its 99th of a hundred", "ms", "/applicationPageMs/p99").target(Target::AtMost(50.0)),
        row("the store opens", "ms", "/openMs"),
        row("  and answers first", "ms", "/readyMs"),
        row("memory before", "MB", "/memoryBeforeMB"),
        row("memory after the start", "MB", "/memoryAfterStartMB"),
        row("memory after 800 pages", "MB", "/memoryAfterPagesMB"),
        Row::new("on disk", "MB", Better::Less).waybill(one(ours, "/diskMB")),
    ]
}

fn fan(ours: &Value) -> Vec<Row> {
    let row = |name| Row::new(name, "", Better::Less);
    vec![
        row("commits after creation").waybill(one(ours, "/commitsAfterCreation/max")).target(Target::AtMost(52.0)),
        row("stages running at once").waybill(one(ours, "/stagesRunningAtOnce/min")).target(Target::AtLeast(2.0)),
        row("steps under way at once").waybill(one(ours, "/stepsUnderWayAtOnce/min")),
        Row::new("1, then 50, then 1", "ms", Better::Less).waybill(spread(ours, "/totalMs")),
    ]
}

/// The table of a bench.
pub(crate) fn text(bench: &str, waybill: &Value, reference: &Value, rows: &[Row]) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "\n{bench:<36} {:>21} {:>21} {:>17}  target", "Waybill p50 / p99", "reference p50 / p99", "ratio");
    let conditions = waybill.get("conditions").is_some();
    if conditions {
        let floor = spread(waybill, "/conditions/floor/ms");
        let _ = writeln!(text, "{:<36} {:>21}", "floor: 4 KiB written and synced, ms", shown(floor));
    }
    for row in rows {
        let name = if row.unit.is_empty() { row.name.to_owned() } else { format!("{}, {}", row.name, row.unit) };
        let target = match (row.target, row.met()) {
            (Some(target), Some(met)) => format!("{}: {}", said(target), if met { "met" } else { "MISSED" }),
            (Some(target), None) => format!("{}: not known", said(target)),
            (None, _) => String::new(),
        };
        let figures = (shown(row.waybill), shown(row.reference), shown(row.ratio()));
        let _ = writeln!(text, "{name:<36} {:>21} {:>21} {:>17}  {target}", figures.0, figures.1, figures.2);
    }
    if conditions {
        text.push_str(&neighbours(waybill, reference));
    }
    if let Some(why) = reference.get("absent").and_then(Value::as_str) {
        let _ = writeln!(text, "reference absent: {why}");
    }
    if let Some(version) = reference.pointer("/figures/version").and_then(Value::as_str) {
        let durable = if conditions { ", its own durable default" } else { "" };
        let _ = writeln!(text, "reference: {version}{durable}");
    }
    text
}

/// What else the machine had to do.
fn neighbours(waybill: &Value, reference: &Value) -> String {
    let mut text = String::new();
    let number = |of: &Value, pointer: &str| of.pointer(pointer).and_then(Value::as_f64);
    let load = number(waybill, "/conditions/loadBefore").unwrap_or_default();
    let others = number(waybill, "/conditions/neighboursPercentOfACore").unwrap_or_default();
    let _ = write!(text, "load before {load}; neighbours used {others:.0} % of a core");
    match number(reference, "/figures/neighboursPercentOfACore") {
        Some(others) => drop(writeln!(text, ", {others:.0} % beside the reference")),
        None => text.push('\n'),
    }
    text
}

fn shown(figure: Option<Figure>) -> String {
    let number = |number: f64| match number {
        n if n.abs() >= 1_000.0 => format!("{n:.0}"),
        n if n.abs() >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.3}"),
    };
    match figure {
        Some(Figure::Spread(p50, p99)) => format!("{} / {}", number(p50), number(p99)),
        Some(Figure::One(one)) => number(one),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (Value, Value) {
        let spread = |p50: f64| json!({"p50": p50, "p99": 2.0 * p50});
        let ours = json!({"figures": {"totalMs": spread(40.0), "gapMs": spread(0.3), "commitAloneMs": spread(0.2)}});
        let theirs = json!({"figures": {"version": "v", "measured": {"totalMs": spread(120.0), "stepMs": spread(1.0)}}});
        (ours, theirs)
    }

    #[test]
    fn ratios_say_how_many_times_better() {
        let (ours, theirs) = both();
        let rows = of("chain", &ours, &theirs);
        let whole = rows.first().unwrap();
        assert_eq!((whole.ratio(), whole.met()), (Some(Figure::Spread(3.0, 3.0)), Some(true)));
        let gap = rows.iter().find(|row| row.name.contains("over that commit")).unwrap();
        assert_eq!(gap.met(), Some(false));
        assert!(gap.json()["waybill"]["p50"].as_f64().unwrap() > 1.4);
    }

    #[test]
    fn without_a_reference_nothing_is_guessed() {
        let (ours, _) = both();
        let absent = json!({"absent": "npm is not on PATH"});
        let rows = of("chain", &ours, &absent);
        let whole = rows.first().unwrap();
        assert_eq!((whole.ratio(), whole.met()), (None, None));
        let text = text("chain", &ours, &absent, &rows);
        assert!(text.contains("not known") && text.contains("npm is not on PATH"), "{text}");
    }

    #[test]
    fn a_history_stands_beside_a_short_one() {
        let side = |page: f64| json!({"pipelinePageMs": {"p50": page, "p99": 2.0 * page}, "openMs": 7.0});
        let ours = json!({"figures": {"executions": 100_000, "few": 100, "many": side(3.0), "reference": side(1.5)}});
        let theirs = json!({"figures": {"measured": side(1.5)}});
        let rows = of("history", &ours, &theirs);
        let page = rows.iter().find(|row| row.name.contains("pipeline's list")).unwrap();
        assert_eq!(page.ratio(), Some(Figure::Spread(0.5, 0.5)));
        let tail = rows.iter().find(|row| row.target.is_some()).unwrap();
        assert_eq!((tail.waybill, tail.met()), (Some(Figure::One(6.0)), Some(true)));
    }

    #[test]
    fn more_is_better_for_rates() {
        let reference = json!({"figures": {"measured": {"stepsASecond": 100.0}}});
        let rows = of("throughput", &json!({"figures": {"stagesASecond": 450.0, "runs": 10, "storeSyncs": 5}}), &reference);
        assert_eq!(rows.first().unwrap().ratio(), Some(Figure::One(4.5)));
        assert_eq!(rows.last().unwrap().waybill, Some(Figure::One(2.0)));
        let fan = of("fan", &json!({"figures": {"commitsAfterCreation": {"max": 9}, "stagesRunningAtOnce": {"min": 30}}}), &reference);
        assert_eq!(fan.iter().filter(|row| row.met() == Some(true)).count(), 2);
    }
}
