//! The digest that Java's name-based UUIDs are made of. Nothing is kept safe with it.

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

pub(crate) fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let bits = u64::try_from(bytes.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    padded.extend(bits.to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks(64) {
        state = mixed(state, block);
    }
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(state.iter().flat_map(|word| word.to_le_bytes())) {
        *to = from;
    }
    out
}

fn mixed(state: [u32; 4], block: &[u8]) -> [u32; 4] {
    let words: Vec<u32> = block.chunks(4).map(|four| four.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte))).collect();
    let [mut a, mut b, mut c, mut d] = state;
    for round in 0..64_u32 {
        let (mix, word) = match round / 16 {
            0 => ((b & c) | (!b & d), round),
            1 => ((d & b) | (!d & c), (5 * round + 1) % 16),
            2 => (b ^ c ^ d, (3 * round + 5) % 16),
            _ => (c ^ (b | !d), (7 * round) % 16),
        };
        let constant = (f64::from(round + 1).sin().abs() * 4_294_967_296.0) as u32;
        let word = usize::try_from(word).ok().and_then(|word| words.get(word)).copied().unwrap_or(0);
        let shifts = usize::try_from(round / 16).ok().and_then(|row| SHIFTS.get(row)).copied().unwrap_or([0; 4]);
        let shift = usize::try_from(round % 4).ok().and_then(|at| shifts.get(at)).copied().unwrap_or(0);
        let turned = a.wrapping_add(mix).wrapping_add(constant).wrapping_add(word).rotate_left(shift);
        (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
    }
    let [x, y, z, w] = state;
    [x.wrapping_add(a), y.wrapping_add(b), z.wrapping_add(c), w.wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_standard() {
        let hex = |text: &str| digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
        let long = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(hex(long), "57edf4a22be3c955ac49da2e2107b67a");
    }
}
