//! An archive of a few small files, not compressed: what a function's code is handed over as.

/// CRC-32 as archives use it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// One archive with one file, which everybody may execute.
pub(crate) fn of_one(name: &str, content: &[u8]) -> Vec<u8> {
    let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    // Version, flags, method, time, day, checksum, both sizes, the lengths of the name and of nothing more.
    let mut facts = Vec::new();
    for short in [20_u16, 0, 0, 0, 0x21] {
        facts.extend(short.to_le_bytes());
    }
    for long in [crc(content), length(content), length(content)] {
        facts.extend(long.to_le_bytes());
    }
    for short in [name_length, 0] {
        facts.extend(short.to_le_bytes());
    }
    let file = [b"PK\x03\x04".as_slice(), &facts, name.as_bytes(), content].concat();
    // Made on Unix; the comment, the disk and the inner attributes are none; mode 0755; at the very beginning.
    let mut entry = [b"PK\x01\x02".as_slice(), &[20, 3], &facts, &[0; 6]].concat();
    entry.extend((0o100_755_u32 << 16).to_le_bytes());
    entry.extend([0; 4]);
    entry.extend(name.as_bytes());
    let mut end = [b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0]].concat();
    for long in [length(&entry), length(&file)] {
        end.extend(long.to_le_bytes());
    }
    end.extend([0, 0]);
    [file, entry, end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc(b""), 0);
    }
}
