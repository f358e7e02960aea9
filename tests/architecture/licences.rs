//! Every dependency's licence is one we may ship under.

use crate::check;
use crate::workspace::{Package, metadata};

const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met with allowed licences. The old `A/B` means `A OR B`.
fn acceptable(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "_WITH_");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut met = both(rest)?;
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        met |= both(rest)?;
    }
    Some(met)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut met = one(rest)?;
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        met &= one(rest)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first != "(" {
        return Some(ALLOWED.contains(&first.replace("_WITH_", " WITH ").as_str()));
    }
    let met = either(rest)?;
    let (close, after) = rest.split_first()?;
    *rest = after;
    (*close == ")").then_some(met)
}

fn breaches(packages: &[Package]) -> Vec<String> {
    let bad = |package: &&Package| !package.license.as_deref().is_some_and(acceptable);
    packages.iter().filter(bad).map(|package| format!("{}: {:?}", package.name, package.license)).collect()
}

#[test]
fn every_dependency_may_be_shipped() {
    check("licences nobody looked at", &breaches(&metadata().packages));
}

#[test]
fn expressions_are_understood() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-2.0-only OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"] {
        assert!(acceptable(good), "{good}");
    }
    for bad in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(MIT OR GPL-3.0-only) AND AGPL-3.0-only",
        "",
        "(MIT",
        "MIT MIT",
        "OR",
        "GPL-2.0 WITH LLVM-exception",
    ] {
        assert!(!acceptable(bad), "{bad}");
    }
}
