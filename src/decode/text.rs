//! Text from the inside of a JSON string: escapes undone, what is no Unicode replaced and counted.

use super::token::{self, RawText};

/// What was done to a text besides undoing its escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing.
    None,
    /// Invalid UTF-8 or a lone surrogate became U+FFFD.
    Replaced,
}

/// Returns the text, in `scratch` when it had to be changed. `raw` has valid escapes.
pub(super) fn unescape<'a>(text: RawText<'a>, scratch: &'a mut Vec<u8>) -> (&'a [u8], Repair) {
    if !text.escaped {
        return if text.ascii { (text.raw, Repair::None) } else { valid(text.raw, scratch) };
    }
    let mut lone_surrogate = false;
    // An escape is never shorter than its character.
    scratch.resize(text.raw.len(), 0);
    let (mut at, mut end) = (0, 0);
    while at < text.raw.len() {
        let length = copy_to_escape(&text.raw[at..], &mut scratch[end..]);
        at += length;
        end += length;
        if at < text.raw.len() {
            let (character, length) = escape(&text.raw[at..]);
            lone_surrogate |= character.is_none();
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            end += character.encode_utf8(&mut scratch[end..]).len();
            at += length;
        }
    }
    scratch.truncate(end);
    let mut repair = if lone_surrogate { Repair::Replaced } else { Repair::None };
    if !text.ascii && std::str::from_utf8(scratch).is_err() {
        *scratch = String::from_utf8_lossy(scratch).into_owned().into_bytes();
        repair = Repair::Replaced;
    }
    (scratch, repair)
}

/// Copies what stands before the first backslash, eight bytes at a time, and returns how many they are. Behind them `to` may
/// be changed.
fn copy_to_escape(from: &[u8], to: &mut [u8]) -> usize {
    let mut at = 0;
    while let (Some(word), Some(copy)) = (from.get(at..at + 8), to.get_mut(at..at + 8)) {
        copy.copy_from_slice(word);
        if let Some(before) = token::backslash(word) {
            return at + before;
        }
        at += 8;
    }
    while at < from.len() && from[at] != b'\\' {
        to[at] = from[at];
        at += 1;
    }
    at
}

/// Returns the bytes when they are UTF-8, else a repaired copy in `scratch`.
pub(super) fn valid<'a>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> (&'a [u8], Repair) {
    if std::str::from_utf8(bytes).is_ok() {
        return (bytes, Repair::None);
    }
    *scratch = String::from_utf8_lossy(bytes).into_owned().into_bytes();
    (scratch, Repair::Replaced)
}

/// The character of the escape that `text` begins with (none for a lone surrogate), and the escape's length.
fn escape(text: &[u8]) -> (Option<char>, usize) {
    let character = match text[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        other => char::from(other),
    };
    (Some(character), 2)
}

fn unicode_escape(text: &[u8]) -> (Option<char>, usize) {
    let Some(first) = code_unit(text) else { return (None, 6) };
    if let Some(character) = char::from_u32(first) {
        return (Some(character), 6);
    }
    let second = if (0xD800..0xDC00).contains(&first) { text.get(6..).and_then(code_unit) } else { None };
    match second {
        Some(second @ 0xDC00..0xE000) => (char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12),
        _ => (None, 6),
    }
}

/// The four digits of a `\u` escape at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &[u8]) -> (String, Repair) {
        let text = RawText { raw, escaped: raw.contains(&b'\\'), ascii: raw.is_ascii() };
        let mut scratch = Vec::new();
        let (text, repair) = unescape(text, &mut scratch);
        (String::from_utf8(text.to_vec()).unwrap(), repair)
    }

    #[test]
    fn escapes_are_undone() {
        let (text, repair) = read(br#"a\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00z"#);
        assert_eq!(text, "a\"\\/\u{8}\u{c}\n\r\t\0é😀z");
        assert_eq!(repair, Repair::None);
        assert_eq!(read("é".as_bytes()), ("é".to_owned(), Repair::None));
    }

    #[test]
    fn what_is_no_unicode_is_replaced() {
        assert_eq!(read(br"\ud83d"), ("\u{fffd}".to_owned(), Repair::Replaced));
        assert_eq!(read(br"\ude00\ud83dx"), ("\u{fffd}\u{fffd}x".to_owned(), Repair::Replaced));
        assert_eq!(read(br"\ud83d\ud83d\ude00"), ("\u{fffd}😀".to_owned(), Repair::Replaced));
        assert_eq!(read(b"a\xffb"), ("a\u{fffd}b".to_owned(), Repair::Replaced));
        assert_eq!(read(b"\\n\xff"), ("\n\u{fffd}".to_owned(), Repair::Replaced));
    }
}
