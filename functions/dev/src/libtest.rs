//! Reads the summaries that test programs print, and nothing else of their output.

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The sum over every `test result:` line.
pub(crate) fn sum<'a>(lines: impl IntoIterator<Item = &'a String>) -> Figures {
    let mut figures = Figures::default();
    for line in lines {
        if let Some(one) = parse(line) {
            figures.add(one);
        }
    }
    figures
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn parse(line: &str) -> Option<Figures> {
    let (_, rest) = line.split_once("test result: ")?.1.split_once(". ")?;
    let figure = |word: &str| {
        let part = rest.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Figures { passed: figure("passed")?, failed: figure("failed")?, ignored: figure("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_add_up() {
        let lines = [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ]
        .map(String::from);
        assert_eq!(sum(&lines), Figures { passed: 4, failed: 2, ignored: 1 });
    }

    #[test]
    fn other_lines_count_for_nothing() {
        let lines = ["test result: garbage", "3 passed; 0 failed; 0 ignored"].map(String::from);
        assert_eq!(sum(&lines), Figures::default());
    }
}
