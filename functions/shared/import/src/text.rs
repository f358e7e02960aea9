//! Bytes to text: what is no text is said to be none, and where.

use crate::flaw::{Flaw, Place};
use crate::limits::FILE_BYTES_MAX;
use icu_normalizer::ComposingNormalizerBorrowed;

/// What names of pipelines are compared by: without blanks around them, without case, in one form of their characters.
#[must_use]
pub fn name_key(name: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(&name.trim().to_lowercase()).into_owned()
}

/// The text of a file, without a mark of its encoding.
pub fn text(bytes: &[u8]) -> Result<&str, Box<Flaw>> {
    let flaw = |code: &str, message: String| Err(Box::new(Flaw::at("", code, message)));
    if bytes.len() > FILE_BYTES_MAX {
        return flaw("file-too-large", format!("a file has at most {FILE_BYTES_MAX} bytes, here are {}", bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return flaw("not-utf-8", "the file is written in UTF-16; save it in UTF-8".to_owned());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            Some(at) => Err(Box::new(Flaw::in_text(Place::of(text, at), "", "binary", "the file is no text: it holds a zero byte"))),
            None => Ok(text),
        },
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default();
            let (code, message) = if bytes.contains(&0) {
                ("binary", "the file is no text: it holds a zero byte")
            } else {
                ("not-utf-8", "the file is not written in UTF-8: here stands a byte that it does not have")
            };
            Err(Box::new(Flaw::in_text(Place::of(before, before.len()), "", code, message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let code =
            |bytes: &[u8]| text(bytes).map(str::to_owned).map_err(|flaw| (flaw.code.clone(), flaw.place.map(|p| (p.line, p.column))));
        assert_eq!(code(b"\xef\xbb\xbfa"), Ok("a".to_owned()));
        assert_eq!(code(b"a\nb\xffc"), Err(("not-utf-8".to_owned(), Some((2, 2)))));
        assert_eq!(code(b"\xff\xfea\0"), Err(("not-utf-8".to_owned(), None)));
        assert_eq!(code(b"a\0b"), Err(("binary".to_owned(), Some((1, 2)))));
        assert_eq!(code(b"\x7fELF\x02\0\xff"), Err(("binary".to_owned(), Some((1, 7)))));
        assert_eq!(code(&vec![b'a'; FILE_BYTES_MAX + 1]), Err(("file-too-large".to_owned(), None)));
    }
}
