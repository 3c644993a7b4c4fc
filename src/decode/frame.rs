//! Finds the end of a JSON value in bytes that arrive in pieces, without reading it.

use super::token::{MAX_DEPTH, Stop};

/// Walks over one JSON value, piece by piece. It knows brackets and strings only; whether the value is right is found
/// when it is read.
#[derive(Debug)]
pub(super) struct ValueEnd {
    /// One bit a level: 1 for an object.
    brackets: u128,
    depth: usize,
    /// Levels that the value may have.
    levels: usize,
    in_string: bool,
    escaped: bool,
    /// A number or a word has begun at the top level.
    in_scalar: bool,
}

impl ValueEnd {
    /// Walks over a value with `around` levels around it.
    pub(super) fn new(around: usize) -> Self {
        let levels = MAX_DEPTH - around;
        ValueEnd { brackets: 0, depth: 0, levels, in_string: false, escaped: false, in_scalar: false }
    }

    /// Goes on over `bytes`, which follow those of the calls before. Returns where in `bytes` the value ends.
    /// Positions in errors are positions in `bytes`.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Stop> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let Some(next) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else { break };
                at += next + 1;
                if bytes[at - 1] == b'\\' {
                    self.escaped = true;
                } else {
                    self.in_string = false;
                    if self.depth == 0 {
                        return Ok(Some(at));
                    }
                }
                continue;
            }
            let byte = bytes[at];
            if self.in_scalar && matches!(byte, b',' | b']' | b'}' | b'[' | b'{' | b'"' | b' ' | b'\t' | b'\r' | b'\n')
            {
                return Ok(Some(at));
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth >= self.levels {
                        return Err(Stop::Depth(at));
                    }
                    self.brackets = (self.brackets << 1) | u128::from(byte == b'{');
                    self.depth += 1;
                }
                b'}' | b']' => {
                    if self.depth == 0 || (self.brackets & 1 == 1) != (byte == b'}') {
                        return Err(Stop::Syntax(at, "a closing bracket that does not match"));
                    }
                    self.brackets >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if self.depth == 0 => self.in_scalar = true,
                _ => {}
            }
            at += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_pieces_end() {
        for (value, rest) in [
            (r#"{"a":"}\"","b":[1,{"c":"\\"}]}"#, ",{"),
            (r#" "text\"""#, "]"),
            ("-12.5e3", " ,"),
            ("null", "}"),
            ("12", "[[1]]"),
            ("true", "{"),
            ("1e5", "\"a\""),
            ("[]", ""),
        ] {
            let all = format!("{value}{rest}");
            for cut in 0..=all.len() {
                let mut end = ValueEnd::new(0);
                let (first, second) = all.as_bytes().split_at(cut);
                let found = match end.find(first).unwrap() {
                    Some(at) => at,
                    None => cut + end.find(second).unwrap().unwrap(),
                };
                assert_eq!(found, value.len(), "{all} cut at {cut}");
            }
        }
    }

    #[test]
    fn brackets_have_to_match_and_are_bounded() {
        assert!(matches!(ValueEnd::new(0).find(b"[}"), Err(Stop::Syntax(1, _))));
        let deep = vec![b'['; MAX_DEPTH + 1];
        assert_eq!(ValueEnd::new(0).find(&deep), Err(Stop::Depth(MAX_DEPTH)));
        assert_eq!(ValueEnd::new(1).find(&deep), Err(Stop::Depth(MAX_DEPTH - 1)));
    }
}
