//! The wire format: numbered fields, each with a number, some fixed bytes or a run of bytes.

/// Bytes of the longest number.
const VARINT_BYTES_MAX: u32 = 10;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes; nothing here has such a field.
    Fixed,
}

/// Reads the fields of a message one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let number = u32::try_from(tag >> 3).map_err(|_| format!("proto: illegal tag {tag}"))?;
        let value = match tag & 7 {
            _ if number == 0 => return Err(format!("proto: illegal tag {number} (wire type {})", tag & 7)),
            0 => Wire::Number(self.number()?),
            1 => self.bytes(8).map(|_| Wire::Fixed)?,
            2 => {
                let length = self.number()?;
                Wire::Bytes(self.bytes(usize::try_from(length).map_err(|_| ends())?)?)
            }
            5 => self.bytes(4).map(|_| Wire::Fixed)?,
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok(Some((number, value)))
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for at in 0..VARINT_BYTES_MAX {
            let (first, rest) = self.0.split_first().ok_or_else(ends)?;
            self.0 = rest;
            number |= u64::from(first & 0x7f).checked_shl(7 * at).unwrap_or_default();
            if first & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("proto: integer overflow".to_owned())
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(ends)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn ends() -> String {
    "unexpected EOF".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Wire<'_>)>, String> {
        let mut fields = Fields(bytes);
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_are_read_one_after_the_other() {
        // The examples of the encoding's own description: 150 in field 1, "testing" in field 2; then -1 and both fixed ones.
        let mut bytes = vec![0x08, 0x96, 0x01, 0x12, 0x07];
        bytes.extend(b"testing");
        bytes.extend([0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        bytes.extend([0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2d, 0, 0, 0, 0]);
        let wanted =
            [(1, Wire::Number(150)), (2, Wire::Bytes(b"testing")), (3, Wire::Number(u64::MAX)), (4, Wire::Fixed), (5, Wire::Fixed)];
        assert_eq!(all(&bytes).unwrap(), wanted);
        // Whatever is cut off is missed, unless it was cut between two fields.
        let whole = [0, 3, 12, 23, 32, 37];
        for end in 0..=bytes.len() {
            assert_eq!(all(&bytes[..end]).is_ok(), whole.contains(&end), "{end}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (bytes, wanted) in [
            (&[0x00, 0x00][..], "illegal tag 0"),
            (&[0x0b][..], "illegal wireType 3"),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..], "integer overflow"),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..], "unexpected EOF"),
            (&[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00][..], "illegal tag"),
        ] {
            assert!(all(bytes).unwrap_err().contains(wanted), "{bytes:x?}");
        }
    }
}
