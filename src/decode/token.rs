//! JSON tokens over bytes: strings, numbers and whole values, checked by the grammar of RFC 8259.
//!
//! Every function takes the input and a position, and says where the token ends. [`Stop::Incomplete`] means that the
//! input ended inside the token; nothing else may be concluded from it.

/// Levels of objects and arrays that a document may nest.
pub(super) const MAX_DEPTH: usize = 64;

/// Why a token was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input ended inside the token.
    Incomplete,
    /// The bytes at this position are not JSON.
    Syntax(usize, &'static str),
    /// Nested deeper than [`MAX_DEPTH`] at this position.
    Depth(usize),
}

/// A value of a field, still as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    True,
    False,
    /// The digits as sent, valid by the grammar.
    Number(&'a [u8]),
    Text(RawText<'a>),
    /// An object or array, valid by the grammar.
    Nested(&'a [u8]),
}

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawText<'a> {
    pub(super) raw: &'a [u8],
    /// It holds at least one backslash.
    pub(super) escaped: bool,
    /// All its bytes are ASCII.
    pub(super) ascii: bool,
}

/// The position of the first byte from `at` that is no white space.
pub(super) fn skip_space(input: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = input.get(at) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A mask whose lowest set bit marks the first byte of `word` that is below `limit` (which is at most 0x80).
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS
}

/// Where in eight bytes the first backslash stands.
#[inline]
pub(super) fn backslash(word: &[u8]) -> Option<usize> {
    let word = u64::from_le_bytes(word.try_into().ok()?);
    let found = below(word ^ (ONES * u64::from(b'\\')), 1);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// Reads a string whose opening quote stands before `start`. Returns it and the position behind its closing quote.
pub(super) fn string(input: &[u8], start: usize) -> Result<(RawText<'_>, usize), Stop> {
    let mut at = start;
    let mut escaped = false;
    let mut high = 0_u64;
    loop {
        while let Some(bytes) = input.get(at..at + 8) {
            let word = u64::from_le_bytes(bytes.try_into().map_err(|_| Stop::Incomplete)?);
            let quote = below(word ^ (ONES * u64::from(b'"')), 1);
            let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
            let special = quote | backslash | below(word, 0x20);
            if special == 0 {
                high |= word;
                at += 8;
                continue;
            }
            let before = special.trailing_zeros() / 8;
            high |= word & ((1_u64 << (8 * before)) - 1);
            at += before as usize;
            break;
        }
        match *input.get(at).ok_or(Stop::Incomplete)? {
            b'"' => {
                let text = RawText { raw: &input[start..at], escaped, ascii: high & HIGHS == 0 };
                return Ok((text, at + 1));
            }
            b'\\' => {
                escaped = true;
                at = escape(input, at)?;
            }
            byte if byte < 0x20 => return Err(Stop::Syntax(at, "a control character inside a string")),
            byte => {
                high |= u64::from(byte);
                at += 1;
            }
        }
    }
}

/// Checks the escape whose backslash stands at `at`, and returns the position behind it.
fn escape(input: &[u8], at: usize) -> Result<usize, Stop> {
    match *input.get(at + 1).ok_or(Stop::Incomplete)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => {
            for digit in at + 2..at + 6 {
                if !input.get(digit).ok_or(Stop::Incomplete)?.is_ascii_hexdigit() {
                    return Err(Stop::Syntax(digit, "a \\u escape without four hexadecimal digits"));
                }
            }
            Ok(at + 6)
        }
        _ => Err(Stop::Syntax(at, "an unknown escape")),
    }
}

/// Reads digits from `at`; at least one is wanted.
fn digits(input: &[u8], mut at: usize) -> Result<usize, Stop> {
    if !input.get(at).ok_or(Stop::Incomplete)?.is_ascii_digit() {
        return Err(Stop::Syntax(at, "a digit is missing in a number"));
    }
    while input.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    Ok(at)
}

/// Reads a number and returns the position behind it. A number that touches the end of the input may go on there, so
/// it is incomplete.
pub(super) fn number(input: &[u8], start: usize) -> Result<usize, Stop> {
    let at = number_open(input, start)?;
    if at == input.len() { Err(Stop::Incomplete) } else { Ok(at) }
}

/// As [`number`], but the end of the input ends the number too.
pub(super) fn number_open(input: &[u8], start: usize) -> Result<usize, Stop> {
    let mut at = start + usize::from(input.get(start) == Some(&b'-'));
    match *input.get(at).ok_or(Stop::Incomplete)? {
        b'0' => at += 1,
        b'1'..=b'9' => at = digits(input, at)?,
        _ => return Err(Stop::Syntax(at, "a value was expected")),
    }
    if input.get(at).is_some_and(u8::is_ascii_digit) {
        return Err(Stop::Syntax(at, "a number with a leading zero"));
    }
    if input.get(at) == Some(&b'.') {
        at = digits(input, at + 1)?;
    }
    if let Some(b'e' | b'E') = input.get(at) {
        let sign = usize::from(matches!(input.get(at + 1), Some(b'+' | b'-')));
        at = digits(input, at + 1 + sign)?;
    }
    Ok(at)
}

/// Is this text exactly one JSON number?
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && number_open(text, 0) == Ok(text.len())
}

fn literal<'a>(input: &[u8], at: usize, word: &str, value: Value<'a>) -> Result<(Value<'a>, usize), Stop> {
    let rest = &input[at..];
    if rest.starts_with(word.as_bytes()) {
        Ok((value, at + word.len()))
    } else if word.as_bytes().starts_with(rest) {
        Err(Stop::Incomplete)
    } else {
        Err(Stop::Syntax(at, "a value was expected"))
    }
}

/// Reads the value at `at` and returns the position behind it. `depth` is the number of levels around it.
pub(super) fn value(input: &[u8], at: usize, depth: usize) -> Result<(Value<'_>, usize), Stop> {
    match *input.get(at).ok_or(Stop::Incomplete)? {
        b'"' => string(input, at + 1).map(|(text, end)| (Value::Text(text), end)),
        b'{' | b'[' => nested(input, at, depth).map(|end| (Value::Nested(&input[at..end]), end)),
        b't' => literal(input, at, "true", Value::True),
        b'f' => literal(input, at, "false", Value::False),
        b'n' => literal(input, at, "null", Value::Null),
        _ => number(input, at).map(|end| (Value::Number(&input[at..end]), end)),
    }
}

/// Reads the object or array at `at`, and returns the position behind it.
fn nested(input: &[u8], at: usize, depth: usize) -> Result<usize, Stop> {
    if depth >= MAX_DEPTH {
        return Err(Stop::Depth(at));
    }
    let is_object = input[at] == b'{';
    let close = if is_object { b'}' } else { b']' };
    let mut at = skip_space(input, at + 1);
    if *input.get(at).ok_or(Stop::Incomplete)? == close {
        return Ok(at + 1);
    }
    loop {
        if is_object {
            at = key(input, at)?.1;
        }
        at = skip_space(input, value(input, at, depth + 1)?.1);
        match *input.get(at).ok_or(Stop::Incomplete)? {
            b',' => at = skip_space(input, at + 1),
            byte if byte == close => return Ok(at + 1),
            _ => return Err(Stop::Syntax(at, "a comma or the closing bracket was expected")),
        }
    }
}

/// Reads a key at `at` and its colon; returns the key and the position of its value.
pub(super) fn key(input: &[u8], at: usize) -> Result<(RawText<'_>, usize), Stop> {
    if *input.get(at).ok_or(Stop::Incomplete)? != b'"' {
        return Err(Stop::Syntax(at, "a key in quotes was expected"));
    }
    let (name, end) = string(input, at + 1)?;
    let colon = skip_space(input, end);
    if *input.get(colon).ok_or(Stop::Incomplete)? != b':' {
        return Err(Stop::Syntax(colon, "a colon was expected behind a key"));
    }
    Ok((name, skip_space(input, colon + 1)))
}

/// Where the next key or element begins, or the closing bracket stands, behind one that ended at `end`. For text that was
/// read as a whole before, and is known to be JSON.
pub(super) fn behind_comma(input: &[u8], end: usize) -> usize {
    let at = skip_space(input, end);
    if input.get(at) == Some(&b',') { skip_space(input, at + 1) } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_at_its_own_quote() {
        for padding in 0..20 {
            let inner = format!("{}\\\"é\\u00e9\\\\", "x".repeat(padding));
            let input = format!("\"{inner}\", \"next\"");
            let (text, end) = string(input.as_bytes(), 1).unwrap();
            assert_eq!(text.raw, inner.as_bytes());
            assert!(text.escaped && !text.ascii);
            assert_eq!(end, inner.len() + 2);
            for cut in 1..end {
                assert_eq!(string(&input.as_bytes()[..cut], 1), Err(Stop::Incomplete));
            }
        }
    }

    #[test]
    fn control_characters_and_bad_escapes_are_syntax_errors() {
        for bad in ["abcdefgh\u{1}\"", "\\x\"", "\\u12g4\"", "a\nb\""] {
            assert!(matches!(string(bad.as_bytes(), 0), Err(Stop::Syntax(..))), "{bad:?}");
        }
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for good in ["0", "-0", "12.50", "1e-7", "1E+400", "-12"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "+1", "01", "1.", ".5", "1e", "NaN", "0x1", "1,5", " 1", "1 "] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
        assert_eq!(number(b"12", 0), Err(Stop::Incomplete));
        assert_eq!(number(b"12,", 0), Ok(2));
    }

    #[test]
    fn nesting_is_bounded() {
        let fits = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(matches!(value(fits.as_bytes(), 0, 0), Ok((Value::Nested(_), _))));
        let deep = "[".repeat(100_000);
        assert!(matches!(value(deep.as_bytes(), 0, 0), Err(Stop::Depth(_))));
    }
}
