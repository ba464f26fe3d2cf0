//! Fingerprints made for speed, and what a line says.

/// A fingerprint of a text without its white space, so that another indentation and other line ends do not matter
/// (FNV-1a with a final mix). For comparisons in memory only; 0 only for blank text.
pub(crate) fn key(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut blank = true;
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        blank = false;
    }
    if blank {
        return 0;
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash ^ hash >> 29).max(1)
}

/// Whether a line says something: it has a letter or a digit. Brackets alone are found everywhere.
pub(crate) fn significant(line: &str) -> bool {
    line.bytes().any(|b| b.is_ascii_alphanumeric() || b >= 0x80)
}

/// Characters that are no white space.
pub(crate) fn characters(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// The last boundary of characters at or before an offset.
pub(crate) fn boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_past_white_space_only() {
        assert_eq!(key("  a b\r\n"), key("\ta\tb\n"));
        assert_ne!(key("ab"), key("ba"));
        assert_eq!((key(" \n"), key("")), (0, 0));
    }
}
