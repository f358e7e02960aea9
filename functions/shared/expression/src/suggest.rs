//! What was probably meant by a name that is not there.

/// Most names that are looked at.
pub(crate) const NAMES_MAX: usize = 500;
/// Longest name that is compared, in characters.
const CHARS_MAX: usize = 48;

/// The nearest name, when it is near enough.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let reach = 1 + name.len() / 4;
    let near = names.take(NAMES_MAX).filter(|n| n.len().abs_diff(name.len()) <= reach);
    let (distance, best) = near.map(|n| (distance(name, n), n)).min()?;
    (distance <= reach && distance < name.chars().count()).then(|| best.to_owned())
}

/// Edit distance with neighbouring letters swapped counted once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(CHARS_MAX).collect(), b.chars().take(CHARS_MAX).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let of = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let swap = if swapped { of(&before, j - 1) + 1 } else { usize::MAX };
            row.push((of(&last, j) + usize::from(x != y)).min(of(&last, j + 1) + 1).min(of(&row, j) + 1).min(swap));
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near_enough() {
        let near = |name| nearest(name, ["version", "region", "replicas"].into_iter());
        assert_eq!(near("verison").as_deref(), Some("version"));
        assert_eq!(near("Version").as_deref(), Some("version"));
        assert_eq!(near("replica").as_deref(), Some("replicas"));
        assert_eq!(near("zone"), None);
        assert_eq!(nearest("a", ["b"].into_iter()), None);
    }
}
