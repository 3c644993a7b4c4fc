//! The texts of a URL: parameters, and what is percent-encoded.

/// The first value of a query's parameter, as it stands. Names have no case.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|pair| pair.1)
}

/// [`parameter`], decoded.
pub fn decoded_parameter(query: &str, name: &str) -> Option<String> {
    parameter(query, name).map(percent_decoded)
}

/// The query without a parameter.
pub fn without(query: &str, name: &str) -> String {
    let is_kept = |pair: &&str| !pair.split_once('=').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
    query.split('&').filter(is_kept).collect::<Vec<_>>().join("&")
}

/// The text with each `%41` as the character that it stands for.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_without_case_and_decoded() {
        let query = "startTime=2024-01-01T00%3A00%3a00Z&ENDTIME=%zz%4&a";
        assert_eq!(decoded_parameter(query, "starttime").as_deref(), Some("2024-01-01T00:00:00Z"));
        assert_eq!(decoded_parameter(query, "endTime").as_deref(), Some("%zz%4"));
        assert_eq!(parameter(query, "a"), None);
        assert_eq!(without(query, "endtime"), "startTime=2024-01-01T00%3A00%3a00Z&a");
    }
}
